// Package wine runs the daemon that is built for Windows, as far as Wine can
// stand in for it: its command line, paths and files, the units it would write,
// and one worker that is started, read and ended. What Wine has no likeness of
// (the service control manager of a real machine, consoles, NSSM) it leaves out.
//
// It takes Wine and a cross compiler, so it has a build tag of its own:
// `make test-wine`.
package wine
