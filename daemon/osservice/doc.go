// Package osservice makes the daemon a service of the operating system:
// systemd, for the machine or for one person, launchd, and Windows.
//
// unit.go says what the service is to do; render.go and quote.go make the text
// that a service manager reads of it; service.go installs and removes it;
// state.go asks the manager about it. notify.go is the daemon's word to
// systemd, serve_windows.go its talk with the Windows service manager. What
// stop, restart and every exit code mean to the workers is in docs/service.md.
package osservice
