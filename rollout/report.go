package rollout

// Word is what a host says about its order.
type Word string

const (
	// SaysRunning says that it has begun, or goes on.
	SaysRunning Word = "running"
	// SaysSucceeded says that it runs the version.
	SaysSucceeded Word = "succeeded"
	// SaysFailed says that it tried, and is as before.
	SaysFailed Word = "failed"
	// SaysCancelled says that it was cancelled, and is as before.
	SaysCancelled Word = "cancelled"
	// SaysRefused says that it did not begin.
	SaysRefused Word = "refused"
)

// Words lists every value.
var Words = []Word{SaysRunning, SaysSucceeded, SaysFailed, SaysCancelled, SaysRefused}

// Last reports whether a host says no more about an order after it.
func (w Word) Last() bool { return w != SaysRunning }

// Take is what becomes of a target when its host says something about its
// order. The last word counts whatever was thought of the host before, and
// counts once; anything later, or out of order, changes nothing and is not ok.
func Take(t Target, w Word, why string) (_ Target, ok bool) {
	if t.Settled || t.Deadline.IsZero() {
		return t, false
	}
	var state State
	switch w {
	case SaysRunning:
		if t.State != Ordered && t.State != Underway {
			return t, false // taken back, or too late; its end still counts
		}
		t.State = Underway
		return t, true
	case SaysSucceeded:
		state, why = Done, ""
	case SaysFailed:
		state = Broken
	case SaysCancelled:
		switch t.State {
		case Withdrawing, Withdrawn:
			state, why = Withdrawn, ""
		case Overdue:
			state, why = Broken, t.Error
		default:
			state = Broken
			if why == "" {
				why = "it was cancelled on the host"
			}
		}
	case SaysRefused:
		state = Refused
		if t.State == Withdrawing || t.State == Withdrawn {
			state = Withdrawn
		}
	}
	if state != t.State && !t.State.CanMove(state) {
		return t, false
	}
	t.State, t.Error, t.Settled = state, why, true
	return t, true
}
