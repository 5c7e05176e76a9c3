//go:build unix

package supervisor

import "sync"

// scanner looks through the processes of this host for many at once: ends that
// come together share a look that began after each of them.
type scanner struct {
	mu    sync.Mutex
	next  *scan      // begins when the one under way is over
	under sync.Mutex // one at a time
}

type scan struct {
	done chan struct{}
	all  []member
	err  error
}

// member is a process and its session, as of a moment: by the time it is read
// either may be another. Groups need no look of their own: a group lies within
// one session, and that of the leader's number within the leader's.
type member struct{ pid, session int }

// list returns what was there at some moment after the call began.
func (s *scanner) list() ([]member, error) {
	s.mu.Lock()
	mine := s.next
	if mine != nil {
		s.mu.Unlock()
		<-mine.done
		return mine.all, mine.err
	}
	mine = &scan{done: make(chan struct{})}
	s.next = mine
	s.mu.Unlock()

	s.under.Lock()
	defer s.under.Unlock()
	s.mu.Lock()
	s.next = nil // who comes from here on needs a newer one
	s.mu.Unlock()
	mine.all, mine.err = listSessions()
	close(mine.done)
	return mine.all, mine.err
}
