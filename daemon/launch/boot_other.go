//go:build !linux

package launch

// BootID tells this boot of the machine from others; empty where nothing does.
func BootID() string { return "" }
