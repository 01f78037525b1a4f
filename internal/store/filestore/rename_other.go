//go:build unix && !linux && !darwin

package filestore

import (
	"errors"
	"os"
)

// renameNoReplace does not exist here; hard links are the only way.
func renameNoReplace(oldname, newname string) error {
	return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: errors.ErrUnsupported}
}
