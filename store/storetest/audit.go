package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/store"
)

var auditCases = []testCase{
	{name: "what was added is read", run: auditRead},
	{name: "old lines are forgotten", run: auditForgotten},
	{name: "a reader that follows misses nothing", run: auditFollowed},
}

func auditRead(f *fixture) {
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	line := func(n int, actor, action, object string, ws store.WorkspaceID) store.AuditLine {
		return store.AuditLine{
			At: at.Add(time.Duration(n) * time.Minute), Actor: actor, Kind: "pwk", Role: "admin", Token: "tok_" + actor, Action: action, Object: object,
			Workspace: ws, Address: "10.0.0.1", Outcome: "ok", Code: "", RequestID: fmt.Sprintf("req_%d", n), Detail: "why",
		}
	}
	all := []store.AuditLine{
		line(1, "ann", "worker.disable", "w1", "ws_a"), line(2, "bob", "worker.enable", "w1", "ws_b"),
		line(3, "ann", "workerless.act", "w2", "ws_a"), line(4, "ann", "run.cancel", "r1", "ws_a"),
	}
	all[1].Outcome, all[1].Code = "refused", "forbidden"
	f.must(f.AddAudit(f.ctx))
	f.must(f.AddAudit(f.ctx, all[:2]...))
	f.must(f.AddAudit(f.ctx, all[2:]...))
	got, err := f.AuditLines(f.ctx, store.AuditFilter{Oldest: true})
	f.must(err)
	for i := range got {
		if i > 0 && got[i].Seq <= got[i-1].Seq || got[i].Seq <= 0 {
			f.Errorf("numbers %d after %d", got[i].Seq, got[max(0, i-1)].Seq)
		}
		all[i].Seq = got[i].Seq
	}
	if diff := cmp.Diff(all, got); diff != "" {
		f.Errorf("(-want +got):\n%s", diff)
	}
	for name, test := range map[string]struct {
		filter store.AuditFilter
		want   []int
	}{
		"newest first": {store.AuditFilter{}, []int{3, 2, 1, 0}},
		"a page":       {store.AuditFilter{Limit: 2}, []int{3, 2}},
		"the next":     {store.AuditFilter{Limit: 2, Cursor: all[2].Seq}, []int{1, 0}},
		"what follows": {store.AuditFilter{Oldest: true, Cursor: all[1].Seq}, []int{2, 3}},
		"actor":        {store.AuditFilter{Actor: "bob"}, []int{1}},
		"token":        {store.AuditFilter{Actor: "tok_bob"}, []int{1}},
		"action":       {store.AuditFilter{Action: "worker.disable"}, []int{0}},
		"noun":         {store.AuditFilter{Action: "worker"}, []int{1, 0}},
		"object":       {store.AuditFilter{Object: "w1"}, []int{1, 0}},
		"workspace":    {store.AuditFilter{Workspace: "ws_b"}, []int{1}},
		"since":        {store.AuditFilter{Since: all[2].At}, []int{3, 2}},
		"until":        {store.AuditFilter{Until: all[2].At}, []int{1, 0}},
		"together":     {store.AuditFilter{Actor: "ann", Object: "w1", Workspace: "ws_b"}, nil},
		"no pattern":   {store.AuditFilter{Action: "%"}, nil},
	} {
		got, err := f.AuditLines(f.ctx, test.filter)
		f.must(err)
		want := []store.AuditLine{}
		for _, i := range test.want {
			want = append(want, all[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			f.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func auditForgotten(f *fixture) {
	now := time.Now()
	for _, hours := range []int{3, 2, 1, 0} {
		f.must(f.AddAudit(f.ctx, store.AuditLine{At: now.Add(-time.Duration(hours) * time.Hour), Action: "a.b", Outcome: "ok"}))
	}
	f.must(f.AddAudit(f.ctx, store.AuditLine{Action: "a.b", Outcome: "ok"})) // the store's own time
	for want := range 2 {
		if n, err := f.ForgetAudit(f.ctx, now.Add(-90*time.Minute), 1); err != nil || n != 1 {
			f.Errorf("%d: forgot %d, %v", want, n, err)
		}
	}
	if n, err := f.ForgetAudit(f.ctx, now.Add(-90*time.Minute), 10); err != nil || n != 0 {
		f.Errorf("forgot %d more, %v", n, err)
	}
	if left, err := f.AuditLines(f.ctx, store.AuditFilter{}); err != nil || len(left) != 3 || left[0].At.IsZero() {
		f.Errorf("left %+v, %v", left, err)
	}
}

// auditFollowed: whoever reads up to a number has read everything before it,
// also while others write.
func auditFollowed(f *fixture) {
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := f.AddAudit(f.ctx, store.AuditLine{Action: "a.b", Outcome: "ok"}); err != nil {
					f.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	var cursor int64
	seen, ended := 0, false
	for {
		page, err := f.AuditLines(f.ctx, store.AuditFilter{Oldest: true, Cursor: cursor, Limit: 7})
		f.must(err)
		seen += len(page)
		if len(page) > 0 {
			cursor = page[len(page)-1].Seq
			continue
		}
		if ended {
			break
		}
		select {
		case <-done:
			ended = true
		default:
		}
	}
	if seen != writers*each {
		f.Errorf("read %d of %d lines", seen, writers*each)
	}
}
