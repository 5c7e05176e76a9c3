//go:build unix

package upgrade

import "syscall"

func diskFull(n syscall.Errno) bool {
	return n == syscall.ENOSPC || n == syscall.EDQUOT || n == syscall.EFBIG
}
