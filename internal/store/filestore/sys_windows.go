package filestore

import (
	"os"

	"golang.org/x/sys/windows"
)

// syncDir does nothing: Windows has no sync of a folder for ordinary users,
// and NTFS journals names by itself.
func syncDir(string) error { return nil }

// renameNoReplace is MoveFileEx without MOVEFILE_REPLACE_EXISTING.
func renameNoReplace(oldname, newname string) error {
	from, err := windows.UTF16PtrFromString(oldname)
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(newname)
	if err != nil {
		return err
	}
	if err := windows.MoveFileEx(from, to, windows.MOVEFILE_WRITE_THROUGH); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}
