package storeserver

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Kind is a kind of object store.
type Kind string

// The kinds, by the names of the servers that stand for them.
const (
	S3     Kind = "versitygw"
	Azure  Kind = "azurite"
	Google Kind = "fake-gcs-server"
)

// Kinds returns all of them.
func Kinds() []Kind { return []Kind{S3, Azure, Google} }

// part says where a server comes from.
type part struct {
	version string
	module  string // of Go, "" for a package of npm
	file    string // the program, in the folder of the part
}

func (k Kind) part() part {
	switch k {
	case S3:
		return part{version: "v1.8.0", module: "github.com/versity/versitygw/cmd/versitygw", file: executable("versitygw")}
	case Google:
		return part{version: "v1.56.1", module: "github.com/fsouza/fake-gcs-server", file: executable("fake-gcs-server")}
	default:
		return part{version: "3.37.0", file: filepath.Join("node_modules", ".bin", "azurite-blob")}
	}
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// folder returns where this version of the server is installed.
func (k Kind) folder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	return filepath.Join(cache, "kferry", "stores", string(k)+"-"+k.part().version), nil
}

// find returns the path of the installed server.
func (k Kind) find() (string, error) {
	folder, err := k.folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, k.part().file)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s %s is not installed (make stores)", k, k.part().version)
	}
	if k == Azure {
		if _, err := exec.LookPath("node"); err != nil {
			return "", fmt.Errorf("%s needs Node.js, and no node was found", k)
		}
	}
	return path, nil
}

// Install installs the server with go or npm unless it is there, and returns
// its path. What the tools say goes to w.
func Install(ctx context.Context, k Kind, w io.Writer) (string, error) {
	folder, err := k.folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, k.part().file)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(w, "installing %s %s; this takes minutes, once\n", k, k.part().version)
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	// Whole or not at all: it gets its name last.
	unfinished, err := os.MkdirTemp(filepath.Dir(folder), "unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	p := k.part()
	var cmd *exec.Cmd
	if p.module != "" {
		cmd = exec.CommandContext(ctx, "go", "install", p.module+"@"+p.version)
		cmd.Env = append(os.Environ(), "GOBIN="+unfinished, "GOFLAGS=", "CGO_ENABLED=0")
	} else {
		cmd = exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", string(k)+"@"+p.version)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = unfinished, w, w
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("installing %s %s: %w", k, p.version, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	if err := os.Rename(unfinished, folder); err != nil {
		return "", err
	}
	return path, nil
}
