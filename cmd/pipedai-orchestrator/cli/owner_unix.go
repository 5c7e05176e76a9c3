//go:build unix

package cli

import (
	"os"
	"strconv"
	"syscall"
)

// foreignOwner names the owner of a folder that is not this process's user's.
func foreignOwner(path string) (name string, foreign bool) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known || int(stat.Uid) == os.Geteuid() {
		return "", false
	}
	return userName(strconv.Itoa(int(stat.Uid))), true
}
