// Package e2e drives the three real programs, built once and run as real
// processes with folders and ports of their own: pairing, runs on both
// stores, kill -9 of each part, what is refused and how, a worker that speaks
// the older protocol, and the pages in a real browser.
//
// Everything is in test files. main_test.go builds the programs and checks
// that no process is left; plane_test.go, host_test.go and proc_test.go start
// and stop them; every other file is about one promise.
package e2e
