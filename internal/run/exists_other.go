//go:build !unix

package run

// exists is never asked here; see hostID.
func exists(int) bool { return true }
