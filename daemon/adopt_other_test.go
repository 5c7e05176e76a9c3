//go:build !unix

package daemon

// What adopts, and notices that a worker runs twice, is tried where processes
// can be asked to end.

func adopterMain() int { return 1 }

func alone() {}
