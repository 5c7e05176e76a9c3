package engine

import "pipedai/store"

const (
	// rideSlots is what a ride may take.
	rideSlots = 16
	// rideMost is how many items a step may be about. Larger ones come under load:
	// then many share a commit anyway, and few large claims cost less than many
	// small ones.
	rideMost = 8
)

// ride is a claim that goes along with another step: work that the step makes
// claimable is leased with the same commit, and goes to its worker as soon as
// that is on disk. It is an ordinary claim in everything else, so it takes what
// is most urgent, whether or not the step had to do with it. Only the ends of
// tasks with a concurrency limit are followed by others of these tasks, whose
// slots would else be empty until some replica looks. A nil ride is no claim.
type ride struct {
	c     *claimer
	slots int // taken from the free ones, until it is known how many are needed
	most  int // to claim for slots of concurrency limits alone; 0: any
}

// ride takes slots for a claim that goes along with a step about so many items.
// It is nil when there is nothing to gain: the step is large, no slot is free,
// nothing was ever pushed, what ends is limited, or the engine is not claiming.
func (c *claimer) ride(items int) *ride {
	c.under.Lock()
	defer c.under.Unlock()
	slots := min(c.e.o.MaxConcurrency-c.flying, rideSlots)
	if items > rideMost || slots <= 0 || !c.open || !c.found || c.limited || c.e.stopped() {
		return nil
	}
	c.flying += slots
	c.flights.Add(1)
	return &ride{c: c, slots: slots}
}

// succession is a ride for what takes over concurrency slots alone. It keeps no
// slots: no more run in the whole installation than this engine may dispatch.
func (c *claimer) succession(items int) *ride {
	c.under.Lock()
	defer c.under.Unlock()
	if !c.open || !c.found || c.e.stopped() {
		return nil
	}
	c.flights.Add(1)
	return &ride{c: c, most: items}
}

func (r *ride) slotsOnly() bool { return r != nil && r.most > 0 }

// claim is what to ask of the store.
func (r *ride) claim() store.ClaimTasks {
	if r.slotsOnly() {
		p := r.c.ask(r.most)
		p.SlotsOnly = true
		return p
	}
	return r.c.ask(r.slots)
}

// arrive gives the slots back that were not needed, and dispatches what was
// claimed, none after a step that failed. It must be called once. enough says that nobody need
// look for what is left.
func (r *ride) arrive(runs []store.Claimed) (enough bool) {
	if r == nil {
		return false
	}
	defer r.c.flights.Done()
	r.c.took(runs)
	if r.slotsOnly() {
		for _, run := range runs {
			r.c.start(run, nil)
		}
		return false
	}
	// The rest goes back first: a worker may report before the last dispatch is
	// started, and that report is to find room for a ride of its own.
	r.c.vacate(r.slots - len(runs))
	for _, run := range runs {
		r.c.fly(run, nil)
	}
	return len(runs) < r.slots
}
