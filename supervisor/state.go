package supervisor

// State is where a worker is. Draining is not a state but a flag beside
// running: the process is up and was asked to end.
type State string

// The states, spelled as the local API spells them.
const (
	Stopped    State = "stopped"
	Starting   State = "starting"
	Running    State = "running"
	BackingOff State = "backing-off"
	Crashed    State = "crashed"
)

// event is what moves a worker from one state to the next.
type event uint8

const (
	evStart   event = iota + 1 // it is started: asked for, or the pause is over
	evSpawned                  // the OS confirmed the process
	evAttach                   // a process of an earlier daemon was found
	evRetry                    // ended or not spawned; the policy will restart it
	evGiveUp                   // ended or not spawned; the policy gave up
	evEnd                      // ended as asked, or for good
	evStop                     // asked to stop while there is no process
)

// moves is the table of legal moves; anything else is a bug.
var moves = map[State]map[event]State{
	Stopped:    {evStart: Starting, evAttach: Running, evStop: Stopped, evRetry: BackingOff, evGiveUp: Crashed},
	Starting:   {evSpawned: Running, evRetry: BackingOff, evGiveUp: Crashed, evEnd: Stopped},
	Running:    {evRetry: BackingOff, evGiveUp: Crashed, evEnd: Stopped},
	BackingOff: {evStart: Starting, evStop: Stopped, evRetry: BackingOff, evAttach: Running},
	Crashed:    {evStart: Starting, evStop: Stopped},
}

// next returns where ev leads from s, and whether it may.
func (s State) next(ev event) (State, bool) {
	to, ok := moves[s][ev]
	return to, ok
}
