package main

// hostScenarios measure the daemon of a host. They need what Linux tells about
// processes.
func hostScenarios() []scenario {
	hosts := []string{onHost}
	return []scenario{
		{"host-fleet", hosts, measureFleets},
		{"host-respawn", hosts, measureRespawn},
		{"host-idle", hosts, measureHostIdle},
		{"host-lines", hosts, measureLines},
		{"host-list", hosts, measureList},
		{"host-feed", hosts, measureFeed},
	}
}
