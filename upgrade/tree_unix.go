//go:build unix

package upgrade

import (
	"fmt"
	"io/fs"
	"syscall"
)

// identity is which file it is and when anything about it last changed, which
// no program but one with the machine's own rights can set back.
func identity(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %d %d", stat.Dev, stat.Ino, changed(stat))
}

func executable(info fs.FileInfo) bool { return info.Mode()&0o100 != 0 }

// openToAll reports whether everybody may write to it.
func openToAll(info fs.FileInfo) bool { return info.Mode().Perm()&0o002 != 0 }
