package supervisor

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// dropGate holds the drop of a record until it is let through.
type dropGate struct {
	*memory
	reached, let chan struct{}
	held         atomic.Bool
}

func (g *dropGate) DropProcess(ctx context.Context, id string) error {
	if g.held.CompareAndSwap(true, false) {
		close(g.reached)
		<-g.let
	}
	return g.memory.DropProcess(ctx, id)
}

// A worker that is not known any more has left no record, and one that is
// asked for while its record is dropped goes on counting generations.
func TestSupervisor_ForgetsRecordFirst(t *testing.T) {
	bubble(t, func(t *testing.T, s *Supervisor, st *stage, m *memory) {
		gate := &dropGate{memory: m, reached: make(chan struct{}), let: make(chan struct{})}
		s.o.Records = gate
		reconcile(t, s, up(Policy{}))
		synctest.Wait()
		gate.held.Store(true)
		reconcile(t, s)
		synctest.Wait()
		<-gate.reached
		if _, known := s.Status("w1"); !known {
			t.Error("forgotten while its record was still there")
		}
		reconcile(t, s, up(Policy{}))
		close(gate.let)
		synctest.Wait()
		if got := status(t, s); got.State != Running {
			t.Errorf("asked for again: %+v", got)
		}
		if p, err := m.Process(t.Context(), "w1"); err != nil || p.Generation != 2 || !p.Live {
			t.Errorf("its record: %+v %v", p, err)
		}
		reconcile(t, s)
		synctest.Wait()
		if _, known := s.Status("w1"); known {
			t.Error("still known")
		}
		if all, _ := m.Processes(t.Context()); len(all) != 0 {
			t.Errorf("records left: %+v", all)
		}
	})
}
