package cloudstore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/storeserver"
)

const racedKeys = 20

// racer is a process of TestProcesses: it puts some keys and says which were
// its own.
func racer(address string) error {
	b, err := tryOpen(rootContext(), address, usual)
	if err != nil {
		return err
	}
	for i := range racedKeys {
		switch err := b.Put(rootContext(), fmt.Sprintf("race/%d", i), []byte(fmt.Sprint(os.Getpid()))); {
		case err == nil:
			fmt.Fprintln(os.Stdout, i)
		case !errors.Is(err, store.ErrExists):
			return err
		}
	}
	return nil
}

// TestProcesses lets processes race for keys: each is won exactly once.
func TestProcesses(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	eachServer(t, func(t *testing.T, server *storeserver.Server) {
		t.Helper()
		address := server.Bucket(t)
		said := make([]string, 3)
		var wg sync.WaitGroup
		for i := range said {
			wg.Go(func() {
				cmd := exec.CommandContext(t.Context(), exe)
				cmd.Env = append(os.Environ(), "KFERRY_TEST_RACER="+address)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%v: %s", err, out)
				}
				said[i] = string(out)
			})
		}
		wg.Wait()
		won := map[string]int{}
		for line := range strings.FieldsSeq(strings.Join(said, "\n")) {
			won[line]++
		}
		for i := range racedKeys {
			if n := won[fmt.Sprint(i)]; n != 1 {
				t.Errorf("key %d was won %d times", i, n)
			}
		}
	})
}
