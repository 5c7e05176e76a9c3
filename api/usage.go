package api

// HostFacts is how much the machine of a daemon has, and has left. What the
// system does not tell is 0.
type HostFacts struct {
	CPUs            int      `json:"cpus"`
	Load1           *float64 `json:"load1"` // average of the last minute; null: not told
	MemoryBytes     int64    `json:"memoryBytes"`
	MemoryFreeBytes int64    `json:"memoryFreeBytes"`
	DiskBytes       int64    `json:"diskBytes"` // of the disk with the host's folder
	DiskFreeBytes   int64    `json:"diskFreeBytes"`
}
