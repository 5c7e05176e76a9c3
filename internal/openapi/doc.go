// Package openapi describes an HTTP interface once, for three readers: the
// OpenAPI 3.1 document that programs fetch, the reference page that people
// read, and the tests that hold every answer against it.
//
// The description is a list of routes: what the router knows (pattern, who is
// admitted, the Go types of body and answer) and what only a person can say
// (About). Schemas come from the Go types by reflection: names and what may be
// left out from the json tags, limits from the validate tags, and the texts
// from the comments in package api, which tools/tstypes extracts into
// comments.json.
//
// The published schemas leave objects open, because members are added over
// time and clients must ignore those they do not know. Tests close them (see
// internal/testkit/apicheck), so that a server says nothing undocumented.
package openapi
