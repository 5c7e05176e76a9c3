package supervisor

import "sync"

// mailbox hands commands to a runner without ever blocking the sender.
type mailbox struct {
	mu     sync.Mutex
	queue  []command
	filled chan struct{} // capacity 1: there is something in the queue
}

func newMailbox() *mailbox {
	return &mailbox{filled: make(chan struct{}, 1)}
}

func (m *mailbox) post(c command) {
	m.mu.Lock()
	m.queue = append(m.queue, c)
	m.mu.Unlock()
	select {
	case m.filled <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []command {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.queue
	m.queue = nil
	return queue
}

func (m *mailbox) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue) == 0
}

// verb is what a command asks of a runner.
type verb uint8

const (
	doWant  verb = iota + 1 // be as want says
	doStart                 // start, now if it can be
	doStop                  // stop; reply when there is no process
	doKill                  // stop without grace
	doDrop                  // stop, then forget the worker
)

type command struct {
	verb  verb
	want  Want
	reply chan<- struct{} // closed when a doStop is done; may be nil
}
