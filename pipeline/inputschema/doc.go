// Package inputschema is the language in which a task says what its input
// must look like. It is not JSON Schema: it describes the fields of a form,
// with the words and the messages that clients of the engine know.
//
// Parse reads a schema that a worker registers and reports everything that
// is wrong with it; Validate holds an input against one. Both are pure, never
// panic, and end in time that the size of what they are given bounds: patterns
// run on a linear engine, or, where they need look-around or back-references,
// on a backtracking one that a Budget stops.
package inputschema
