package main

// onHost stands in the column of the store for what has none: the daemon.
const onHost = "host"

// The limits that stand beside the figures of the daemon.
const (
	limitBareStart   = "s, bare loop of fork and exec"
	limitBareStop    = "s, bare loop of kill and wait"
	limitBareRespawn = "ms, bare wait, fork and exec"
	limitRawCopy     = "lines/s, raw copy from pipe to file"
	limitBareGet     = "ms, as many bytes from bare net/http"
	limitBareFeed    = "ms, bare copy from pipe to sockets"
)

func hostFigures() []figure {
	of := func(t target) map[string]target { return map[string]target{onHost: t} }
	most := func(n float64) map[string]target { return of(target{most: n}) }
	return []figure{
		{"host-start-1", "1 worker runs, from the daemon's start", "s", limitBareStart, nil},
		{"host-start-100", "100 workers run, from the daemon's start", "s", limitBareStart, most(0.4)},
		{"host-start-500", "500 workers run, from the daemon's start", "s", limitBareStart, most(1.6)},
		{"host-start-cpu-1", "  processor of the daemon, 1 worker", "s", "", nil},
		{"host-start-cpu-100", "  processor of the daemon, 100 workers", "s", "", nil},
		{"host-start-cpu-500", "  processor of the daemon, 500 workers", "s", "", nil},
		{"host-stop-1", "the worker has stopped, from SIGTERM", "s", limitBareStop, nil},
		{"host-stop-100", "100 workers have stopped, from SIGTERM", "s", limitBareStop, most(0.1)},
		{"host-stop-500", "500 workers have stopped, from SIGTERM", "s", limitBareStop, nil},
		{"host-end-1", "  and the daemon has ended, 1 worker", "s", limitBareStop, nil},
		{"host-end-100", "  and the daemon has ended, 100 workers", "s", limitBareStop, nil},
		{"host-end-500", "  and the daemon has ended, 500 workers", "s", limitBareStop, nil},
		{"host-respawn-p50", "killed worker runs again, p50", "ms", limitBareRespawn, most(4)},
		{"host-respawn-p99", "killed worker runs again, p99", "ms", limitBareRespawn, most(15)},
		{"host-respawn-cpu", "  processor of the daemon, each", "ms", "", nil},
		{"host-pss-1", "memory of the daemon (PSS), 1 worker", "MB", "", most(25)},
		{"host-pss-100", "memory of the daemon (PSS), 100 workers", "MB", "", most(30)},
		{"host-pss-500", "memory of the daemon (PSS), 500 workers", "MB", "", most(55)},
		{"host-idle", "idle daemon, 100 workers, processor per second", "ms", "", most(1)},
		{"host-lines", "lines of 100 bytes into the log", "lines/s", limitRawCopy, of(target{leastRatio: 1.0 / 3})},
		{"host-lines-cpu", "  processor of the daemon, 2,000,000 lines", "s", "", most(2)},
		{"host-lines-lost", "  lines lost", "", "", of(target{none: true})},
		{"host-lines-doubled", "  lines doubled", "", "", of(target{none: true})},
		{"host-list-p50", "GET /api/workers, 500 workers, p50", "ms", limitBareGet, nil},
		{"host-list-p99", "GET /api/workers, 500 workers, p99", "ms", limitBareGet, most(15)},
		{"host-list-first", "  after 6 s without any", "ms", limitBareGet, most(15)},
		{"host-list-cpu", "  processor of the daemon, each", "ms", "", nil},
		{"host-feed-p50", "a log line to 50 WebSocket clients, p50", "ms", limitBareFeed, nil},
		{"host-feed-p99", "a log line to 50 WebSocket clients, p99", "ms", limitBareFeed, most(20)},
	}
}
