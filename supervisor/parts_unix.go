//go:build unix

package supervisor

// parts of an osLauncher that only some systems have.
type parts struct {
	scan    scanner
	cgroups cgroups
}

func newParts(cgroup string) parts { return parts{cgroups: findCgroups(cgroup)} }
