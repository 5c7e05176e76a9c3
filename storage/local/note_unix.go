//go:build linux || darwin

package local

import (
	"encoding/hex"
	"os"

	"golang.org/x/sys/unix"
)

// hashName is the extended attribute that holds the SHA-256 of a file, in hex.
const hashName = "user.sha256"

// note keeps the hash with the file. A file system without extended attributes
// keeps none: then the hash is only where the path is recorded.
func note(file *os.File, sum string) {
	_ = unix.Fsetxattr(int(file.Fd()), hashName, []byte(sum), 0)
}

// noted is the hash that is kept with a file; empty for none.
func noted(file *os.File) string {
	var sum [2 * 32]byte
	n, err := unix.Fgetxattr(int(file.Fd()), hashName, sum[:])
	if err != nil || n != len(sum) {
		return ""
	}
	if _, err := hex.DecodeString(string(sum[:])); err != nil {
		return ""
	}
	return string(sum[:])
}
