package atomicfile

// SyncFolder does nothing: Windows cannot flush a folder, and NTFS journals
// the rename.
func SyncFolder(string) error { return nil }
