// Package api is the wire: requests, responses, error codes and stream frames
// of every HTTP interface of this project, as structs that say nothing but
// their JSON. It imports the standard library only, and everybody may import
// it.
//
// Files follow the interfaces: error.go, engine.go (the pipeline engine),
// dispatch.go (engine and worker), hosts.go (the remote API that hosts and
// their workers call), operator.go (what operators do with hosts), local.go
// (the daemon's local API). Members are spelled as the clients in the field
// spell them. A member is added, never renamed, removed or retyped.
//
// tools/tstypes makes the types of the pages from these structs. A comment
// that is only a list of quoted words, as in "online" or "offline", names every
// value of its member, and the pages are compiled against it.
package api
