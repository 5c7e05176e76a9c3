// Package controlplane is the HTTP face of the engine: what clients, workers,
// hosts and the web console call on `pipeweave serve`.
//
// A request passes one chain: the guard (exact Host, then origin), the path
// rules, the route's access rule (auth.go), the handler of its noun, and, if
// that fails, the one place where errors become HTTP (errors.go). routes.go
// shows every route with the access it needs.
//
// Handlers translate; they decide nothing about runs. Writes go through
// package engine, reads straight to the store.
package controlplane
