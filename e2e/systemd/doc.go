// Package systemd installs the daemon into a real systemd and watches what
// becomes of its workers: through a kill of the daemon, restarts, an upgrade, a
// reboot, a stop and the removal of the service. It has units of workers taken
// over by the daemon and given back, too.
//
// Its tests boot a Debian of their own, which needs root: `make test-systemd`
// builds what they need and runs them. They have a build tag of their own, so
// no other target takes them for skipped.
package systemd
