package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

// TestMain lets the scripts run kferry as a program: this test binary, so that
// it counts for coverage and has its own working directory and signals.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"kferry": func() {
			ctx, stop := WithInterrupts(context.Background(), os.Exit)
			code := Main(ctx, os.Args[1:], SystemStreams())
			stop()
			os.Exit(code)
		},
	})
}

// TestScripts runs every command as a user would, against clusters that speak
// the real protocol. kafka_test.go has the commands beside kferry itself.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("XDG_STATE_HOME", env.WorkDir+"/state")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("USER", "tester")
			k := newKafkas(env)
			env.Values[kafkasKey{}] = k
			env.Defer(k.close)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   cmdExits,
			"kafka":   cmdKafka,
			"topic":   cmdTopic,
			"produce": cmdProduce,
			"trim":    cmdTrim,
			"copy":    cmdCopy,
			"merge":   cmdMerge,
			"commit":  cmdCommit,
			"offsets": cmdOffsets,
			"join":    cmdJoin,
			"leave":   cmdLeave,
			"deny":    cmdDeny,
			"run-id":  cmdRunID,

			"start":  cmdStart,
			"starts": cmdStarts,
			"work":   cmdWork,

			"mm2-sync":       cmdSync,
			"mm2-checkpoint": cmdCheckpoint,

			"hold": cmdHold,

			"commit-record": cmdCommitRecord,

			"forgets": cmdForgets,
			"kept":    cmdKept,

			"await-file":   cmdAwaitFile,
			"await-text":   cmdAwaitText,
			"stop-commits": cmdStopCommits,
			"await-commit": cmdAwaitCommit,
			"go-on":        cmdGoOn,
		},
	})
}

// cmdExits runs a program and wants one exact exit code: exits 3 kferry plan …
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENTS")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdRunID sets a variable to the only run that a state has: run-id VAR STATE.
func cmdRunID(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: run-id VAR STATE")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[1]) + "/runs")
	ts.Check(err)
	if len(entries) != 1 {
		ts.Fatalf("%d runs, want one", len(entries))
	}
	ts.Setenv(args[0], entries[0].Name())
	fmt.Fprintln(ts.Stdout(), entries[0].Name())
}

// cmdHold takes the lease of a run in another process than kferry's: hold RUN
// STATE.
func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: hold RUN STATE")
	}
	ctx, cancel := withTime()
	ts.Defer(cancel)
	b, err := store.Open(ctx, ts.MkAbs(args[1]), nil)
	ts.Check(err)
	r, err := run.Open(ctx, b, args[0], nil)
	ts.Check(err)
	_, lease, err := r.AcquireLease(ctx)
	ts.Check(err)
	ts.Defer(func() { ts.Check(lease.Release(context.Background())) })
}

// cmdAwaitFile waits until a file is there: await-file GLOB.
func cmdAwaitFile(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "await-file GLOB")
	ctx, cancel := withTime()
	defer cancel()
	for {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(found) > 0 {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("no file %s", args[0])
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// cmdAwaitText waits until a file has a text: await-text FILE TEXT.
func cmdAwaitText(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "await-text FILE TEXT")
	ctx, cancel := withTime()
	defer cancel()
	for {
		got, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		if strings.Contains(string(got), args[1]) {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s has no %q:\n%s", args[0], args[1], got)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
