package pgserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// roomy is how much memory has to be free for clusters that nobody keeps.
const roomy = 4 << 30

// inMemory is a folder in memory with room for clusters, or "" where there is
// none: to copy the files of a database costs a tenth there of what it costs
// on a disk.
func inMemory() string {
	const dir = "/dev/shm"
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil || fs.Type != unix.TMPFS_MAGIC || fs.Bavail*uint64(fs.Bsize) < roomy ||
		unix.Access(dir, unix.W_OK|unix.X_OK) != nil {
		return ""
	}
	sweep(dir)
	return dir
}

// sweep removes clusters whose tests were killed: memory is not given back
// before the machine starts anew.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, prefix+"*")) // only a bad pattern fails
	for _, cluster := range left {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(cluster), prefix+"%d-", &pid); err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = os.RemoveAll(cluster) // another may be at it, or own it
		}
	}
}
