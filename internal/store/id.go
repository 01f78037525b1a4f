package store

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"time"
)

const idTime = "20060102T150405Z"

var idPattern = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-f]{6}$`)

// NewID returns an identifier for a run or a snapshot that sorts by time and
// can be read aloud: 20261121T114527Z-7f3a9c. Half of the last part is the
// fraction of the second, half is random; the put under it, only if absent,
// finds the rare collision.
func NewID(now time.Time) string {
	now = now.UTC()
	var random [2]byte
	// crypto/rand.Read never fails (it ends the program when the system has no
	// randomness).
	_, _ = rand.Read(random[:])
	fraction := int64(now.Nanosecond()) * 4096 / int64(time.Second)
	return fmt.Sprintf("%s-%03x%03x", now.Format(idTime), fraction, (uint(random[0])<<8|uint(random[1]))&0xfff)
}

// IsID reports whether s has the form of an identifier.
func IsID(s string) bool {
	if !idPattern.MatchString(s) {
		return false
	}
	_, err := time.Parse(idTime, s[:len(idTime)])
	return err == nil
}
