package daemon

import (
	"bufio"
	"os"
	"strings"
	"sync"

	system "github.com/shirou/gopsutil/v4/host"
)

// OSVersion names the operating system for people, as far as it says so cheaply;
// else it is empty.
func OSVersion() string { return osVersion() }

// It is asked for once.
var osVersion = sync.OnceValue(func() string {
	if file, err := os.Open("/etc/os-release"); err == nil {
		defer func() { _ = file.Close() }()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, found := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); found {
				return strings.Trim(name, `"'`)
			}
		}
	}
	platform, _, version, err := system.PlatformInformation()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(platform + " " + version)
})
