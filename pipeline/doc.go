// Package pipeline is the pure heart of the engine: what a pipeline is, which
// states exist and which moves between them are legal, when a failed attempt
// is tried again, and what follows when a task of a run ends.
//
// Nothing here does I/O or keeps state. The store calls it inside its
// transactions, so there is one place that knows each rule and it can be
// tested without a database.
package pipeline
