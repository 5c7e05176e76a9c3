package upgrade

import "io/fs"

func identity(fs.FileInfo) string { return "" }

// executable is the same for all: Windows goes by the name of a file.
func executable(fs.FileInfo) bool { return false }

// openToAll is not known of Windows' lists of rights.
func openToAll(fs.FileInfo) bool { return false }
