// Package remote follows what control planes say about the workers of this
// host: their status, their lifecycle events and the newest versions.
//
// A Watcher keeps one polling loop per workspace of a control plane and one
// event stream per worker, and checks in with each workspace; watch.go ties them
// to the manifest, poll.go, stream.go and checkin.go are the loops. Everything is answered from memory with its age and
// the last error: a control plane that hangs delays nobody.
package remote
