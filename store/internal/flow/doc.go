// Package flow decides what a step of the store changes; the two stores load
// what it asks for and write what it decided. It is the Go between
// pipeline.Advance (which knows the graph) and SQL (which knows the rows), and
// the only place that says what the end of an attempt means for its task run,
// its pipeline run, the queue, the dead letters and the kept counts.
//
// A Batch lives inside one transaction. The store locks the pipeline runs
// concerned (in id order, so that two batches cannot wait for each other),
// takes the leases away from the attempts that end, calls the methods of the
// Batch in the order things happened, calls Settle, and writes Changes. The
// number of loads and writes does not depend on the size of the batch.
package flow
