package store

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolderOfURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in, goos, want string
		err                  string
	}{
		{"URL", "file:///var/lib/kferry", "linux", "/var/lib/kferry", ""},
		{"URL of this host", "file://localhost/a", "linux", "/a", ""},
		{"escaped", "file:///a%20b%3F", "linux", "/a b?", ""},
		{"drive", "file:///C:/state", "windows", filepath.FromSlash("C:/state"), ""},
		{"another host", "file://server/share", "linux", "", "no absolute folder"},
		{"relative URL", "file:state", "linux", "", "no absolute folder"},
		{"query", "file:///a?b=c", "linux", "", "query"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := folderOfURL(tt.in, tt.goos)
			if tt.err == "" && err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if tt.err != "" && (!errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got error %v, want one with %q", err, tt.err)
			}
		})
	}
}

func TestDefaultState(t *testing.T) {
	t.Parallel()
	home := func() (string, error) { return "/home/anna", nil }
	noHome := func() (string, error) { return "", errors.New("$HOME is not defined") }
	for _, tt := range []struct {
		name, goos string
		env        map[string]string
		home       func() (string, error)
		want       string
	}{
		{"linux", "linux", nil, home, "file:///home/anna/.local/state/kferry"},
		{"macOS", "darwin", nil, home, "file:///home/anna/Library/Application%20Support/kferry"},
		{"windows", "windows", map[string]string{"LocalAppData": "/C:/Users/anna"}, noHome, "file:///C:/Users/anna/kferry"},
		{"XDG", "linux", map[string]string{"XDG_STATE_HOME": "/x"}, noHome, "file:///x/kferry"},
		{"relative XDG is ignored", "linux", map[string]string{"XDG_STATE_HOME": "x"}, home, "file:///home/anna/.local/state/kferry"},
		{"own URL", "linux", map[string]string{"KFERRY_STATE": "s3://b/p", "XDG_STATE_HOME": "/x"}, noHome, "s3://b/p"},
		{"no home", "linux", nil, noHome, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := defaultState(tt.goos, func(k string) string { return tt.env[k] }, tt.home)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}
