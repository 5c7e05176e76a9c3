package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/storage"
)

// Run pulls work for the set with a worker token. See RunSets.
func (s *Set) Run(ctx context.Context, o Options) error { return RunSets(ctx, []*Set{s}, o) }

// RunSets pulls work for several services as one worker. It registers, then
// asks for as many runs as it has free slots, does them, reports them, and
// says every few seconds that it and they live. Faults of the network or the
// control plane are waited out, and a control plane that forgot the worker's
// tasks is told them again.
//
// When ctx ends it stops asking, lets what runs finish (see
// Options.DrainTimeout) and returns nil. It returns an error only when it can
// never succeed: a mistake in the options, or ErrUnauthorized.
func RunSets(ctx context.Context, sets []*Set, o Options) error {
	if len(sets) == 0 {
		return errors.New("there is no set of tasks")
	}
	return runPuller(ctx, sets, o)
}

func runPuller(ctx context.Context, sets []*Set, o Options) error {
	problem := o.validate(sets...)
	if o.Token.Empty() {
		problem = errors.Join(problem, errors.New("no worker token was given"))
	}
	if problem != nil {
		return problem
	}
	o = o.withDefaults()
	// live carries beats and reports; it ends after the work does.
	live, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	taking, stopTaking := context.WithCancelCause(ctx)
	defer stopTaking(nil)
	c := o.client()
	p := &puller{
		client: c, options: o, reports: newReports(live, c), keys: newKeyring(o.Token), uplink: newUplink(live, o, c.SendRunEvents),
		log: o.Log, hand: newHand(), live: live, taking: taking, fatal: func(err error) {
			stopTaking(&fatalError{err})
			kill(ErrUnauthorized)
		},
	}
	var tokens storage.TokenReader
	events := &runEvents{dir: o.RunEventsDir, up: p.uplink}
	each := max(1, o.Slots/max(1, len(sets)))
	for _, s := range sets {
		x, err := o.executor(s, c, p.keys.all, &tokens, events)
		if err != nil {
			return err
		}
		p.loops = append(p.loops, &claimLoop{puller: p, set: s, executor: x, slots: newSlots(each)})
	}
	return p.run(stopTaking, kill)
}

// fatalError is why the worker cannot go on.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }

// puller is a worker that asks for its work.
type puller struct {
	client   *client.Client
	reports  *reports
	keys     *keyring
	uplink   *uplink
	rotation rotation
	options  Options
	log      *slog.Logger
	hand     *hand
	loops    []*claimLoop
	taking   context.Context // ends when no more work is wanted
	live     context.Context // ends when nothing can be said any more
	fatal    func(error)
}

// run owns the goroutines and the stop order: claims, runs, beats.
func (p *puller) run(stopTaking, kill context.CancelCauseFunc) error {
	beating, stopBeating := context.WithCancel(p.live)
	defer stopBeating()
	var beats, claims sync.WaitGroup
	beats.Go(func() { p.beat(beating) })
	p.event(api.EventWorkerStarted, map[string]any{"version": p.options.Version, "services": p.services()})
	for _, loop := range p.loops {
		claims.Go(func() { loop.run(p.taking) })
	}
	<-p.taking.Done()
	claims.Wait()
	var fatal *fatalError
	if errors.As(context.Cause(p.taking), &fatal) {
		p.hand.endAll(ErrDrained)
	}
	drain(p.hand, p.options.DrainTimeout, p.options.settle, kill, p.log)
	stopBeating()
	beats.Wait()
	p.rotation.all.Wait()
	p.uplink.flush()
	if fatal != nil {
		return fatal.err
	}
	p.event(api.EventWorkerStopped, nil)
	p.log.Info("stopped")
	return nil
}

func (p *puller) services() []string {
	names := []string{}
	for _, loop := range p.loops {
		names = append(names, loop.set.service)
	}
	return names
}

// event reports a lifecycle event. It is news, not state: one that cannot be
// delivered is dropped.
func (p *puller) event(kind string, data any) {
	ctx, cancel := context.WithTimeout(p.live, 5*time.Second)
	defer cancel()
	event := api.LifecycleEvent{Type: kind, TS: api.At(time.Now())}
	if data != nil {
		event.Data, _ = json.Marshal(data)
	}
	if err := p.client.WorkerEvent(ctx, event); err != nil {
		p.log.Debug("event was not delivered", "event", kind, "error", err)
	}
}

// refusedWorker turns a refusal of the worker itself into a fatal error; nil
// for any other error.
func refusedWorker(err error) error {
	if err == nil || !isAuth(err) {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnauthorized, strings.TrimSuffix(err.Error(), "."))
}

// StayOnline says that the worker lives and claims nothing: for a worker that
// has no tasks yet. It returns like RunSets.
func StayOnline(ctx context.Context, o Options) error {
	return runPuller(ctx, nil, o)
}
