package upgrade

import "time"

// Tune sets what only tests set.
func (o *Options) Tune(now func() time.Time, stall time.Duration, reached func(string)) {
	o.now, o.stall, o.reached = now, stall, reached
}

// Platform makes the host another one.
func (o *Options) Platform(goos, goarch string) { o.goos, o.goarch = goos, goarch }

// ProbeLimit bounds how long a program may think about its version.
func (o *Options) ProbeLimit(limit time.Duration) { o.probeLimit = limit }
