// Package adoption takes worker.json files of stand-alone workers into the
// manifest, and workers that run under something else over from it.
//
// A worker never runs twice for it. One that runs already, or that a unit would
// start at the next boot, is only named, unless a take-over was asked for. That
// writes into the manifest what it found, and a worker that is being taken over
// cannot be started (manifest.ErrTakenOver) until it is sure that nothing else
// runs it: the unit is disabled and stopped, a process of nobody is asked to
// end and has ended, and none has come back. Whoever is killed in between
// leaves a journal that the next one goes on with, or takes back.
//
// files.go reads worker.json files, processes*.go and units.go, systemd.go,
// launchd.go find what runs them, survey.go puts that together, adopt.go,
// takeover.go and undo.go act on it.
package adoption
