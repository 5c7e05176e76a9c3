// Package buildinfo tells which build of the programs is running.
package buildinfo

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X pipedai/internal/buildinfo.version=1.2.3).
var version = "0.1.0-dev"

// Info describes a build.
type Info struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Version returns the semantic version of this build.
func Version() string { return version }

// Get returns what is known of this build.
func Get() Info {
	info := Info{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Commit = s.Value
			case "vcs.time":
				info.Date = s.Value
			}
		}
	}
	return info
}

// ID tells builds apart: pages compare it to see that the program behind them
// was replaced.
func ID() string {
	info := Get()
	if info.Commit == "" {
		return info.Version
	}
	return info.Version + "+" + info.Commit[:min(12, len(info.Commit))]
}
