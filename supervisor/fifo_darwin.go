package supervisor

// newSource: macOS has no tee(2).
func newSource(fd int, _ string, _ sink) (source, error) {
	return newReadSource(fd)
}
