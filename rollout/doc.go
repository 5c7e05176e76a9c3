// Package rollout decides how a version spreads over hosts: which of them get
// an order now, and whether the rollout goes on, pauses or ends. It is pure: no
// clock, no I/O, no state. The store keeps what it decides, in the transaction
// it decided in; so whoever comes first may ask, as often as it likes.
//
// A rollout has one target for each host. A target waits until the limits
// allow an order for it; then the host carries the order out by itself and
// reports, and its word settles the target. Nothing here relies on a report
// arriving: an order that is not settled by its deadline counts as failed.
package rollout
