// Package enroll binds a host to a control plane: it pairs (device flow) or
// trades a pre-issued code (code flow), checks what comes back, and writes the
// worker's configuration, the operator credential and the manifest entry.
//
// Start at Connect. The files of the package: device.go polls for a person's
// decision, credentials.go and workerfile.go are the two files that hold
// secrets, url.go says which control planes may be talked to at all.
//
// Nothing is written before the control plane has answered and the answer has
// been checked, so an interrupted connect leaves nothing behind; running it
// again is always safe.
package enroll
