// Package e2e drives the three real programs, built once and run as real
// processes with folders and ports of their own: pairing, runs on both
// stores, kill -9 of each part, what is refused and how, a worker that speaks
// the older protocol, and the pages in a real browser.
//
// Cases that are proved here and elsewhere have numbers in the names of their
// tests: E for the engine, S for storage (TestDispatch_E4_rebinding, the rows of
// TestContract_hostile, storetest's races). E11, the engine killed at each
// change of state, is TestChaos_ReplicasAndDatabase, TestKill_* and the crash
// tests of both stores; workers are killed in TestKill_* and TestNode. Of S7
// there is nothing to prove: the server makes no presigned URLs, it passes bytes
// on by itself. E9 wants what a worker answers to be shown to administrators
// only: it is the error text of the task run, which the contract shows to every
// viewer, so it is bounded and made harmless instead.
//
// Everything is in test files. main_test.go builds the programs and checks
// that no process is left; plane_test.go, host_test.go and proc_test.go start
// and stop them; every other file is about one promise.
package e2e
