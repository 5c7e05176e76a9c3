//go:build unix

package hostdir

import (
	"io/fs"
	"os"
	"syscall"
)

// ours reports whether a file belongs to the user this program runs as.
func ours(info fs.FileInfo) bool {
	stat, known := info.Sys().(*syscall.Stat_t)
	return !known || int(stat.Uid) == os.Geteuid()
}
