package filestore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv("KFERRY_TEST_WRITER") != "" {
		writeForever()
		return
	}
	m.Run()
}

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, key, data string) error {
	t.Helper()
	return s.Put(t.Context(), key, strings.NewReader(data), int64(len(data)))
}

func keys(t *testing.T, s *Store) []string {
	t.Helper()
	var all []string
	for o, err := range s.List(t.Context(), driver.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		link func(string, string) error
	}{
		{"hard links", os.Link},
		{"exclusive rename", func(o, n string) error {
			return &os.LinkError{Op: "link", Old: o, New: n, Err: syscall.EPERM} // as FAT on Linux
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Place {
				t.Helper()
				root := filepath.Join(t.TempDir(), "made", "by", "put")
				return func(t *testing.T) driver.Driver {
					t.Helper()
					s := open(t, root)
					s.link = tt.link
					return s
				}
			})
		})
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	root := filepath.Join(t.TempDir(), "state")
	if err := put(t, open(t, root), "a/b/c", "x"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	tmp := filepath.Join(root, tmpDir)
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	old, recent := filepath.Join(tmp, "old"), filepath.Join(tmp, "recent")
	for _, path := range []string{old, recent, filepath.Join(root, ".DS_Store")} {
		if err := os.WriteFile(path, []byte("half an obj"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	s := open(t, root)
	if err := put(t, s, "key", "x"); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, s); len(got) != 1 || got[0] != "key" {
		t.Errorf("listed %q, want only the object", got)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a leftover of yesterday is still there: %v", err)
	}
	if _, err := os.Stat(recent); err != nil {
		t.Errorf("a file that may be in use was removed: %v", err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 1 {
		t.Errorf("put left %v behind, error %v", left, err)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"full disk", syscall.ENOSPC, "full"},
		{"quota", syscall.EDQUOT, "quota"},
		{"read-only", syscall.EROFS, "read-only"},
		{"neither link nor rename", syscall.EXDEV, "only if it is absent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			s.link = func(o, n string) error {
				_ = os.Remove(o) // so that the rename fails as well
				return &os.LinkError{Op: "link", Old: o, New: n, Err: tt.err}
			}
			err := put(t, s, "a/b", "x")
			var hint *driver.HintError
			if !errors.Is(err, tt.err) || !errors.As(err, &hint) || !strings.Contains(hint.Hint, tt.want) {
				t.Errorf("got error %v with hint %+v, want %v and a hint with %q", err, hint, tt.err, tt.want)
			}
			if got := keys(t, s); len(got) != 0 {
				t.Errorf("%q is visible after an error", got)
			}
		})
	}
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(file); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("a file as folder: got error %v", err)
	}
	if _, err := New(filepath.Join(file, "below")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a folder below a file: got error %v", err)
	}
	s := open(t, t.TempDir())
	if err := put(t, s, "a", "x"); err != nil {
		t.Fatal(err)
	}
	var hint *driver.HintError
	if err := put(t, s, "a/b", "x"); !errors.As(err, &hint) {
		t.Errorf("a key below an object: got error %v without a hint", err)
	}
}

// content is what the killed writer puts under number n.
func content(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 300_000) }

// writeForever is the process that TestKilledWriter kills. It writes to the
// folder in which it is started.
func writeForever() {
	s, err := New(".")
	for n := 1; err == nil; n++ {
		data := content(n)
		err = s.Put(context.Background(), fmt.Sprintf("objects/%08d", n), bytes.NewReader(data), int64(len(data)))
		fmt.Fprintln(os.Stdout, n)
	}
	fmt.Fprintln(os.Stdout, err)
}

// TestKilledWriter kills a writing process and looks whether each object that
// it was told of is there, and each that is there is whole. (That the machine
// may die as well rests on the order of the syncs, which no test sees.)
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for stopAfter := 1; stopAfter <= 5; stopAfter++ {
		root := t.TempDir()
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), "KFERRY_TEST_WRITER=1")
		cmd.Dir = root
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		told := bufio.NewScanner(out)
		for n := 1; n <= stopAfter; n++ {
			if !told.Scan() || told.Text() != fmt.Sprint(n) {
				t.Fatalf("the writer said %q, want %d", told.Text(), n)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		s := open(t, root)
		all := keys(t, s)
		if len(all) < stopAfter {
			t.Errorf("%d objects are there, %d were acknowledged", len(all), stopAfter)
		}
		for i, key := range all {
			data, err := os.ReadFile(s.path(key))
			if err != nil || !bytes.Equal(data, content(i+1)) {
				t.Errorf("%s is not whole: %d bytes, error %v", key, len(data), err)
			}
		}
	}
}
