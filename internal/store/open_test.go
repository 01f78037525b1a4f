package store

import (
	"errors"
	"strings"
	"testing"
)

func TestFolderOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in, goos, want string
		err                  string
	}{
		{"path", "/var/lib/kferry", "linux", "/var/lib/kferry", ""},
		{"relative path", "state", "linux", "state", ""},
		{"URL", "file:///var/lib/kferry", "linux", "/var/lib/kferry", ""},
		{"URL of this host", "file://localhost/a", "linux", "/a", ""},
		{"escaped", "file:///a%20b%3F", "linux", "/a b?", ""},
		{"drive", `C:\state`, "windows", `C:\state`, ""},
		{"another host", "file://server/share", "linux", "", "no absolute folder"},
		{"relative URL", "file:state", "linux", "", "no absolute folder"},
		{"query", "file:///a?b=c", "linux", "", "query"},
		{"S3", "s3://bucket/x", "linux", "", "not in this version"},
		{"Azure", "azblob://container", "linux", "", "not in this version"},
		{"Google", "gs://bucket", "linux", "", "not in this version"},
		{"unknown", "ftp://u:secret@host/x", "linux", "", "not known"},
		{"empty", "", "linux", "", "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := folderOf(tt.in, tt.goos)
			if tt.err == "" && err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if tt.err == "" {
				return
			}
			if !errors.Is(err, ErrScheme) || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") {
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
