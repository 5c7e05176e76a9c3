//go:build unix

package local

// syncFolder makes names in a folder durable.
func (b *Bucket) syncFolder(name string) error {
	folder, err := b.root.Open(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
