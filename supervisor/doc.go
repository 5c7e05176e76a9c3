// Package supervisor keeps worker processes up on this host.
//
// One runner (a goroutine with a typed state machine) looks after one worker:
// it starts the process, restarts it by policy when it ends, stops it when it
// is told to, and captures its output into logs/<id>.log.
//
// A worker never stops for the supervisor's sake. On Linux and macOS its
// stdout and stderr are FIFOs which the worker itself holds open, and its
// identity (pid, start time, boot id, generation) is in the manifest before
// anything relies on it. A daemon that ends, is killed or replaces itself
// leaves its workers running; the next one finds them by those facts, takes
// the FIFOs up where the last line was written, and goes on. While no daemon
// is there a worker writes into the FIFO until it is full (1 MiB on Linux,
// the system's pipe size elsewhere) and then waits; what it wrote is lost only
// if it ends as well before the next daemon comes, because the kernel discards
// a FIFO that nobody holds open.
//
// Linux 5.3 or newer is needed (pidfd).
//
// On Windows output goes through ordinary pipes and a job object ends the
// workers together with the daemon; there is nothing to re-attach to.
package supervisor
