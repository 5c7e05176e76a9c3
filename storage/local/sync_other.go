//go:build !unix

package local

// syncFolder does nothing: folders cannot be synced here, and the file system
// journals names by itself.
func (b *Bucket) syncFolder(string) error { return nil }
