package atomicfile

// syncFolder does nothing: Windows cannot flush a folder, and NTFS journals
// the rename.
func syncFolder(string) error { return nil }
