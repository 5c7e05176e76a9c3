package upgrade

import (
	"syscall"

	"golang.org/x/sys/windows"
)

func diskFull(n syscall.Errno) bool {
	return n == windows.ERROR_DISK_FULL || n == windows.ERROR_HANDLE_DISK_FULL
}
