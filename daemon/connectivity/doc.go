// Package connectivity tells whether this host reaches its control planes, now
// and in the past, and what is in the way when it does not.
//
// A Monitor (monitor.go) probes every control plane and something beyond at a
// steady pace, and keeps what it saw in a ring and in connectivity.log
// (history.go), so that it can be told later whether a run failed while the
// network was away. Examine (examine.go) is the thorough look: name, connection,
// certificate, proxy, clock, credential and event stream of each control plane,
// each with what helps.
package connectivity
