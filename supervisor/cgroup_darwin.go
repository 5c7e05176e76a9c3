package supervisor

import (
	"errors"
	"log/slog"

	"pipedai/manifest"
)

// macOS has no control groups.
type (
	cgroups struct{ why string }
	cgroup  struct{}
)

func findCgroups(string) cgroups { return cgroups{why: "macOS has no control groups"} }

func (cgroups) path(*manifest.Process) string { return "" }

func (cgroups) find(string) cgroup { return cgroup{} }

func (cgroup) remove(*slog.Logger) {}

func (*unixProcess) killCgroup() error { return errors.ErrUnsupported }
