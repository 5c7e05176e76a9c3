package launch

import (
	"os"
	"strings"
)

// BootID tells this boot of the machine from others; empty where nothing does.
func BootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // hidden from this unit: every boot counts as the same one
	}
	return strings.TrimSpace(string(data))
}
