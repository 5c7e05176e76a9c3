package api

// HostConfig answers GET /api/config: what the daemon was started with. It is
// changed in its file, its environment or its command line, and takes effect at
// its next start.
type HostConfig struct {
	File  string        `json:"file"` // where "config set" writes
	Items []HostSetting `json:"items"`
}

// HostSetting is one setting of the daemon.
type HostSetting struct {
	Key    string   `json:"key"`
	Value  string   `json:"value"`
	Origin string   `json:"origin"` // "default", or the flag, variable or file that says so
	Usage  string   `json:"usage"`
	Flag   string   `json:"flag,omitempty"`
	Env    []string `json:"env,omitempty"`
}
