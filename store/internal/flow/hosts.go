package flow

import (
	"time"

	"pipedai/store"
)

// Redeemable reports whether an enrolment can be traded for credentials now: a
// pairing somebody approved, or a code nobody used or revoked.
func Redeemable(e store.Enrollment, now time.Time) bool {
	if !now.Before(e.ExpiresAt) {
		return false
	}
	return e.Status == "approved" || (e.Kind == "code" && e.Status == "pending")
}

// WorkerTokens are the credentials a redeemed enrolment gives its worker: the
// worker's own and the one its host manages it with.
func WorkerTokens(p store.RedeemEnrollment, w store.Worker) []store.Token {
	return []store.Token{
		{Hash: p.WorkerTokenHash, Kind: "wkt", Name: w.Hostname, Workspace: w.Workspace, Worker: w.ID},
		{Hash: p.OperatorTokenHash, Kind: "hos", Role: "operator", Name: w.Hostname, Workspace: w.Workspace, Worker: w.ID},
	}
}
