package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEncodeRaw: a body that was put together by hand is sealed like any
// other, and refused where a reader would.
func TestEncodeRaw(t *testing.T) {
	t.Parallel()
	want, wantSum, err := EncodeSum("kferry-test", 3, map[string]string{"a": "<ä>"})
	if err != nil {
		t.Fatal(err)
	}
	got, sum, err := EncodeRaw("kferry-test", 3, []byte(`{"a":"<ä>"}`))
	if err != nil || sum != wantSum {
		t.Fatalf("sum %s, want %s (%v)", sum, wantSum, err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
	for name, raw := range map[string]string{
		"empty": "", "a list": "[]", "half": `{"a":1`, "a replaced byte": `{"a":"\ufffd"}`, "not UTF-8": "{\"a\":\"\xff\"}",
	} {
		if _, _, err := EncodeRaw("kferry-test", 1, []byte(raw)); err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
}
