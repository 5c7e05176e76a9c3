package supervisor

import (
	"context"
	"errors"
	"fmt"

	"pipedai/manifest"
)

// Reconcile makes the supervised workers those of want: new ones are created
// (and re-attached to their recorded process, which is waited for while Run is
// active), each is brought to what want says, and those that are not named any
// more are stopped and forgotten, recorded processes of entries that vanished
// while no daemon was here included. It does not wait for starts or drains.
//
// It is idempotent. A running worker is left alone even when its Spec changed;
// the new one is used at its next start. A crashed worker stays crashed unless
// its Spec changed or it was wanted stopped before.
//
// An invalid Spec is reported and skipped; the others are still seen to.
func (s *Supervisor) Reconcile(ctx context.Context, want []Want) error {
	s.reconcile.Lock()
	defer s.reconcile.Unlock()

	// Only here are runners made, one call at a time: what is recorded of an id
	// that has none cannot change before it gets one.
	known := map[string]bool{}
	s.mu.Lock()
	for id := range s.runners {
		known[id] = true
	}
	s.mu.Unlock()
	recorded, err := s.o.Records.Processes(ctx)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	records := make(map[string]manifest.Process, len(recorded))
	for _, p := range recorded {
		records[p.ID] = p
	}
	fresh, invalid, err := s.order(want, known, records)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	for _, r := range fresh {
		select {
		case <-r.ready:
		case <-ctx.Done():
			return fmt.Errorf("reconcile: %w", context.Cause(ctx))
		}
	}
	if invalid != nil {
		return fmt.Errorf("reconcile: %w", invalid)
	}
	return nil
}

// order tells every worker what is wanted of it, making those that are not
// there. It returns the new ones that have begun to look for their recorded
// process, and what was wrong with specs.
func (s *Supervisor) order(want []Want, known map[string]bool, records map[string]manifest.Process) (fresh []*runner, invalid, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= phaseClosed {
		return nil, nil, ErrEnded
	}
	get := func(id string) *runner {
		r, ok := s.runners[id]
		if !ok {
			r = newRunner(s, id)
			if !known[id] {
				p, has := records[id]
				r.found = &found{p, has}
			}
			s.runners[id] = r
			fresh = append(fresh, r)
		}
		return r
	}
	var errs []error
	named := map[string]bool{}
	for _, w := range want {
		err := w.Spec.validate()
		if err == nil && named[w.Spec.ID] {
			err = fmt.Errorf("%w %s: wanted twice", ErrSpec, w.Spec.ID)
		}
		named[w.Spec.ID] = true // an invalid one is not a reason to stop what runs
		if err != nil {
			errs = append(errs, err)
			continue
		}
		get(w.Spec.ID).mail.post(command{verb: doWant, want: w})
	}
	for id, p := range records {
		if p.Live && !named[id] {
			get(id)
		}
	}
	for id, r := range s.runners {
		if !named[id] {
			r.mail.post(command{verb: doDrop})
		}
	}
	if s.phase != phaseRunning {
		return nil, errors.Join(errs...), nil // their goroutines begin with Run
	}
	for _, r := range fresh {
		s.spawn(r)
	}
	return fresh, errors.Join(errs...), nil
}
