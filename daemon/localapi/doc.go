// Package localapi is the daemon's loopback server: the HTTP routes, the
// WebSocket and the dashboard's files, for the command line and the browser of
// the person who owns this host.
//
// Everything enters through guard.go and is listed in routes.go. What the
// routes may do is the Backend interface; package daemon implements it.
// Publishing goes through a Feed, so that a reader that stops reading costs
// nothing.
package localapi
