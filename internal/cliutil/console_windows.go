package cliutil

import (
	"os"

	"golang.org/x/sys/windows"
)

// obeys makes a console obey control sequences, and reports whether it does.
func obeys(console *os.File) bool {
	handle := windows.Handle(console.Fd())
	var mode uint32
	if windows.GetConsoleMode(handle, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
