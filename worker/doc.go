// Package worker is the SDK for programs that do the tasks of pipelines.
//
// A program describes its tasks in a Set and hands it to Main:
//
//	func main() {
//		set := worker.NewSet("resizer", "1.0.0")
//		worker.Register(set, worker.Task{ID: "resize", AllowedNext: []string{"publish"}}, resize)
//		os.Exit(worker.Main(set, all.Open))
//	}
//
//	func resize(ctx *worker.Context, in Picture) (Result, error) { ... }
//
// One Set serves in every way a task can be reached: Listen is an HTTP server
// that the engine pushes to, Run pulls work with a worker token, RunLocal runs
// one task in the caller's goroutine for debugging, and package workertest
// does that inside a test.
//
// Where to look: set.go (what a task is), context.go and asset.go (what a
// handler can do), execute.go (one attempt from dispatch to report), hydrate.go
// and dehydrate.go (bytes in and out), deliver.go (the report that must arrive),
// listen.go (push), run.go, claim.go and beat.go (pull), program.go (Main),
// protocol.go (how a task that is a command is spoken to).
package worker
