package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/kferry/kferry/internal/store/filestore"
)

// ErrScheme says that a URL names a kind of storage that is not supported.
var ErrScheme = errors.New("unsupported storage")

// Open returns the bucket at rawURL: file:///absolute/folder, the path of a
// folder, or the URL of a cloud whose scheme is among the Schemes of opts. A
// folder that does not exist is an empty bucket; the first put creates it.
// Nothing is written here: writers call Probe first. A URL that holds a secret
// is refused, as are parameters that the scheme does not have; both are
// ErrURL. A scheme that is not supported is ErrScheme.
func Open(ctx context.Context, rawURL string, opts *Options) (*Bucket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if rawURL == "" {
		return nil, fmt.Errorf("opening storage: %w: the address is empty", ErrScheme)
	}
	scheme, _, hasScheme := strings.Cut(rawURL, "://")
	if !hasScheme || scheme == "file" || strings.HasPrefix(rawURL, "file:") {
		return openFolder(rawURL, opts)
	}
	drv, place, err := openCloud(ctx, scheme, rawURL, opts)
	if err != nil {
		return nil, fmt.Errorf("opening storage: %w", err)
	}
	return New(drv, place, opts), nil
}

// openFolder opens the folder that a file URL or a plain path names.
func openFolder(rawURL string, opts *Options) (*Bucket, error) {
	path := rawURL // perhaps with a drive letter
	var err error
	if strings.HasPrefix(rawURL, "file:") {
		if path, err = folderOfURL(rawURL, runtime.GOOS); err != nil {
			return nil, err
		}
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening storage: %w", err)
	}
	drv, err := filestore.New(path)
	if err != nil {
		return nil, fmt.Errorf("opening storage: %w", err)
	}
	return New(drv, FileURL(path), opts), nil
}

// folderOfURL returns the folder that a file URL names.
func folderOfURL(rawURL, goos string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("opening storage: %w", err)
	}
	if u.Host != "" && u.Host != "localhost" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") {
		return "", fmt.Errorf("opening storage: %w: %q has no absolute folder; write file:///absolute/folder", ErrScheme, rawURL)
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("opening storage: %w: a file URL takes no user, query or fragment (write %%3F for ? and %%23 for #)", ErrScheme)
	}
	if goos == "windows" {
		return filepath.FromSlash(strings.TrimPrefix(u.Path, "/")), nil
	}
	return u.Path, nil
}

// FileURL returns the URL of an absolute folder.
func FileURL(path string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a drive letter
	}
	return (&url.URL{Scheme: "file", Path: p}).String()
}

// DefaultStateURL returns where runs, snapshots and leases are kept when the
// user names no place: $KFERRY_STATE (a URL or a path), else the state folder
// of the user: $XDG_STATE_HOME/kferry, else ~/.local/state/kferry
// (~/Library/Application Support/kferry on macOS, %LocalAppData%\kferry on
// Windows). A colleague cannot roll back from a user's own folder.
func DefaultStateURL() (string, error) {
	return defaultState(runtime.GOOS, os.Getenv, os.UserHomeDir)
}

func defaultState(goos string, getenv func(string) string, home func() (string, error)) (string, error) {
	if u := getenv("KFERRY_STATE"); u != "" {
		return u, nil
	}
	// The XDG specification: a relative path is to be ignored.
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return FileURL(filepath.Join(dir, "kferry")), nil
	}
	if dir := getenv("LocalAppData"); goos == "windows" && dir != "" {
		return FileURL(filepath.Join(dir, "kferry")), nil
	}
	dir, err := home()
	if err != nil {
		return "", fmt.Errorf("finding the state folder: %w; set KFERRY_STATE", err)
	}
	if goos == "darwin" {
		return FileURL(filepath.Join(dir, "Library", "Application Support", "kferry")), nil
	}
	return FileURL(filepath.Join(dir, ".local", "state", "kferry")), nil
}
