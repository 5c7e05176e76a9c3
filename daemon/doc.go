// Package daemon is the long-lived process of a host: it keeps the workers of
// the manifest running, follows what control planes say about them, and serves
// the local API.
//
// Run (daemon.go) holds the start and stop order. actions.go carries out what
// people ask for, fuse.go makes one status of three sources, health.go says
// what needs attention. A daemon that is killed leaves its workers running;
// the next one takes them up again.
package daemon
