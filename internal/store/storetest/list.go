package storetest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/store/driver"
)

func testList(t *testing.T, open Place) {
	t.Helper()
	writer, d := open(t), open(t)
	mustPut(t, writer, "a/b", "a-b", "a.b", "a=b", "ab", "a/b-c", "A/b", "z/y/x/1", "z/y/x/2", "z/y/w", "z/1", "a/10", "a/9")
	for _, tt := range []struct {
		name string
		q    driver.Query
		want []string
	}{
		{"everything, in byte order", driver.Query{}, []string{
			"A/b", "a-b", "a.b", "a/10", "a/9", "a/b", "a/b-c", "a=b", "ab", "z/1", "z/y/w", "z/y/x/1", "z/y/x/2",
		}},
		{"a folder", driver.Query{Prefix: "a/"}, []string{"a/10", "a/9", "a/b", "a/b-c"}},
		{"a deep folder", driver.Query{Prefix: "z/y/"}, []string{"z/y/w", "z/y/x/1", "z/y/x/2"}},
		{"a prefix within a name", driver.Query{Prefix: "a/b"}, []string{"a/b", "a/b-c"}},
		{"a prefix of files and folders", driver.Query{Prefix: "a"}, []string{"a-b", "a.b", "a/10", "a/9", "a/b", "a/b-c", "a=b", "ab"}},
		{"a prefix that is nowhere", driver.Query{Prefix: "q/"}, nil},
		{"a prefix below an object", driver.Query{Prefix: "ab/"}, nil},
		{"after a key", driver.Query{Prefix: "a/", After: "a/9"}, []string{"a/b", "a/b-c"}},
		{"after a key that is not there", driver.Query{After: "z/y/x"}, []string{"z/y/x/1", "z/y/x/2"}},
		{"after a key within a folder", driver.Query{After: "z/y/x/1"}, []string{"z/y/x/2"}},
		{"after everything", driver.Query{After: "zz"}, nil},
		{"after a key outside the prefix", driver.Query{Prefix: "a/", After: "A"}, []string{"a/10", "a/9", "a/b", "a/b-c"}},
		{"shallow", driver.Query{Shallow: true}, []string{"A/", "a-b", "a.b", "a/", "a=b", "ab", "z/"}},
		{"shallow in a folder", driver.Query{Prefix: "z/", Shallow: true}, []string{"z/1", "z/y/"}},
		{"shallow within a name", driver.Query{Prefix: "z/y", Shallow: true}, []string{"z/y/"}},
		{"shallow after a folder", driver.Query{After: "a/", Shallow: true}, []string{"a=b", "ab", "z/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantList(t, d, tt.q, tt.want)
		})
	}
	for o, err := range d.List(t.Context(), driver.Query{Prefix: "a/b"}) {
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(len("content of " + o.Key)); o.Size != want {
			t.Errorf("%s has size %d, want %d", o.Key, o.Size, want)
		}
	}
}

func testListBreak(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	mustPut(t, d, "a/1", "a/2", "b/1", "b/c/1")
	for _, shallow := range []bool{false, true} {
		for _, err := range d.List(t.Context(), driver.Query{Shallow: shallow}) {
			if err != nil {
				t.Error(err)
			}
			break // a list that goes on after this panics
		}
	}
}

// testListModel compares random listings of random keys with their definition.
func testListModel(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // to be the same each time
	word := func() string {
		const letters = "ab-.=_Z"
		w := []byte{"abZ"[rng.IntN(3)]}
		for range rng.IntN(3) {
			w = append(w, letters[rng.IntN(len(letters))])
		}
		return string(append(w, 'x'))
	}
	keys := map[string]bool{}
	for len(keys) < 60 {
		// Objects end in .json and folders do not: a key is never a folder too.
		key := word() + ".json"
		for range rng.IntN(4) {
			key = word() + "/" + key
		}
		if !keys[key] {
			keys[key] = true
			mustPut(t, d, key)
		}
	}
	var sorted []string
	for key := range keys {
		sorted = append(sorted, key)
	}
	slices.Sort(sorted)
	some := func() string {
		key := sorted[rng.IntN(len(sorted))]
		return key[:rng.IntN(len(key)+1)]
	}
	for range 300 {
		q := driver.Query{Shallow: rng.IntN(2) == 0}
		if rng.IntN(3) > 0 {
			q.Prefix = some()
		}
		if rng.IntN(2) == 0 {
			q.After = some()
		}
		wantList(t, d, q, model(sorted, q))
	}
}

// model is the definition of a listing.
func model(sorted []string, q driver.Query) []string {
	var want []string
	for _, key := range sorted {
		rest, ok := strings.CutPrefix(key, q.Prefix)
		if !ok {
			continue
		}
		if folder, _, below := strings.Cut(rest, "/"); below && q.Shallow {
			key = q.Prefix + folder + "/"
		}
		if key > q.After && !slices.Contains(want, key) {
			want = append(want, key)
		}
	}
	return want
}
