package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var livenessCases = []testCase{
	{name: "services come and go", run: servicesComeAndGo},
}

// What is heard of is active, what a dispatch does not reach is disconnected,
// and silence means more of a service whose workers pull.
func servicesComeAndGo(f *fixture) {
	announce := func(id pipeline.ServiceID, url string, tasks ...store.Task) {
		f.Helper()
		_, err := f.Register(f.ctx, store.Register{Service: store.Service{ID: id, Version: "1", BaseURL: url, Status: "active"}, Tasks: tasks})
		f.must(err)
	}
	announce("push", "http://h:1", task("a"))
	announce("pull", "", task("b"))
	long := store.NoteServices{PushInactive: time.Hour, PullInactive: time.Hour, PullDisconnected: time.Hour}
	note := func(p store.NoteServices, changed ...string) {
		f.Helper()
		got, err := f.NoteServices(f.ctx, p)
		f.must(err)
		var texts []string
		for _, s := range got {
			texts = append(texts, string(s.ID)+" "+s.Status)
			stored, err := f.Service(f.ctx, s.ID)
			f.must(err)
			if stored.Status != s.Status {
				f.Errorf("%s is stored as %s, told as %s", s.ID, stored.Status, s.Status)
			}
		}
		if diff := cmp.Diff(changed, texts); diff != "" {
			f.Errorf("changed (-want +got):\n%s", diff)
		}
	}
	note(long)
	p := long
	p.Lost = []pipeline.ServiceID{"push", "unknown"}
	note(p, "push disconnected")
	note(p)
	note(long) // silence does not undo it
	p.HeardTasks = []pipeline.TaskID{"a", "unknown"}
	note(p, "push active") // heard of after all
	before, err := f.Service(f.ctx, "pull")
	f.must(err)
	p = long
	p.Heard = []pipeline.ServiceID{"pull", "unknown"}
	note(p)
	after, err := f.Service(f.ctx, "pull")
	f.must(err)
	if !after.LastHeartbeat.After(before.LastHeartbeat) {
		f.Errorf("heard of at %v, before that at %v", after.LastHeartbeat, before.LastHeartbeat)
	}
	soon := store.NoteServices{PullDisconnected: time.Hour}
	note(soon, "pull inactive", "push inactive")
	note(soon)
	note(store.NoteServices{}, "pull disconnected") // silence alone never disconnects push
	announce("push", "http://h:1", task("a"))
	if s, err := f.Service(f.ctx, "push"); err != nil || s.Status != "active" {
		f.Errorf("registered again: got %+v, %v", s, err)
	}
}
