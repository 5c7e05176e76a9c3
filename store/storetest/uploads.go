package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var uploadCases = []testCase{
	{name: "an upload from its beginning to its end", run: uploadLife},
	{name: "claimed by the input that names it", run: uploadClaims},
	{name: "expired uploads are cleaned up in order", run: uploadCleanup},
	{name: "an ended run keeps its uploads", run: uploadKept},
}

// uploaded makes an upload that expires then.
func (f *fixture) uploaded(id string, expires time.Time) store.Upload {
	f.Helper()
	f.must(f.StartUpload(f.ctx, store.Upload{
		ID: id, Backend: "local", Path: "temp-uploads/" + id + "/a.pdf", Filename: "a.pdf", MimeType: "application/pdf",
		UploadedBy: "me\x00", ExpiresAt: time.Now().Add(time.Hour),
	}))
	u, err := f.FinishUpload(f.ctx, id, 1<<33, expires)
	f.must(err)
	return u
}

func later() time.Time { return time.Now().Add(time.Hour) }

func uploadLife(f *fixture) {
	f.must(f.StartUpload(f.ctx, store.Upload{ID: "tmp_a", Backend: "local", Path: "p", ExpiresAt: later()}))
	_, err := f.Upload(f.ctx, "tmp_a")
	f.wantErr(err, store.ErrNotFound) // not before its object is there
	f.must(f.DropUpload(f.ctx, "tmp_a"))
	_, err = f.FinishUpload(f.ctx, "tmp_a", 1, later())
	f.wantErr(err, store.ErrNotFound)

	u := f.uploaded("tmp_b", later())
	got, err := f.Upload(f.ctx, "tmp_b")
	f.must(err)
	if diff := cmp.Diff(u, got); diff != "" {
		f.Errorf("(-finished +read):\n%s", diff)
	}
	if u.Size != 1<<33 || u.Filename != "a.pdf" || u.UploadedBy == "" || u.UploadedAt.IsZero() || u.Pending || u.Backend != "local" {
		f.Errorf("upload %+v", u)
	}
	f.must(f.DropUpload(f.ctx, "tmp_b")) // finished: stays
	_, err = f.FinishUpload(f.ctx, "tmp_b", 1, later())
	f.wantErr(err, store.ErrNotFound)
	f.must(f.MarkUploadsDeleted(f.ctx, []string{"tmp_b"})) // not expired: stays
	expired, err := f.ExpireUpload(f.ctx, "tmp_b")
	f.must(err)
	if expired.ExpiresAt.After(time.Now()) {
		f.Errorf("expires %v", expired.ExpiresAt)
	}
	f.must(f.MarkUploadsDeleted(f.ctx, []string{"tmp_b", "tmp_none"}))
	if got, err := f.Upload(f.ctx, "tmp_b"); err != nil || got.DeletedAt.IsZero() {
		f.Errorf("upload %+v, %v", got, err)
	}
	_, err = f.ExpireUpload(f.ctx, "tmp_b")
	f.wantErr(err, store.ErrConflict)
	stats, err := f.UploadStats(f.ctx)
	f.must(err)
	if stats != (store.UploadStats{Total: 1, Deleted: 1}) {
		f.Errorf("stats %+v", stats)
	}
	if n, err := f.ArchiveUploads(f.ctx, time.Hour); err != nil || n != 0 {
		f.Errorf("archived %d, %v", n, err)
	}
	if n, err := f.ArchiveUploads(f.ctx, -time.Hour); err != nil || n != 1 {
		f.Errorf("archived %d, %v", n, err)
	}
}

func uploadClaims(f *fixture) {
	f.register(task("a"), task("b"))
	f.uploaded("tmp_1", later())
	f.uploaded("tmp_2", later())
	f.uploaded("tmp_old", time.Now().Add(-time.Hour))
	run := f.startAs(store.StartRun{Pipeline: "svc", Input: store.Input{Path: "in/1", Data: raw(`{}`)}, Uploads: []string{"tmp_1", "tmp_old", "tmp_none"}})
	queued, err := f.EnqueueTasks(f.ctx, []store.EnqueueTask{{Task: "b", Input: store.Input{Path: "in/2", Data: raw(`{}`)}, Uploads: []string{"tmp_1", "tmp_2"}}})
	f.must(err)
	want := map[string]pipeline.TaskRunID{"tmp_1": run.Entries[0].ID, "tmp_2": queued[0].Run.ID, "tmp_old": ""}
	got := map[string]pipeline.TaskRunID{}
	all, err := f.Uploads(f.ctx, []string{"tmp_2", "tmp_1", "tmp_old", "tmp_none"})
	f.must(err)
	for _, u := range all {
		got[u.ID] = u.ClaimedBy
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("claimed by (-want +got):\n%s", diff)
	}
	for path, want := range map[string][]string{"in/1": {"tmp_1"}, "in/2": {"tmp_1", "tmp_2"}, "in/3": nil} {
		uses, err := f.UploadsOf(f.ctx, path)
		f.must(err)
		var got []string
		for _, u := range uses {
			got = append(got, u.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			f.Errorf("%s uses (-want +got):\n%s", path, diff)
		}
	}
	_, err = f.ExpireUpload(f.ctx, "tmp_1")
	f.wantErr(err, store.ErrConflict)
	// What was refused claims nothing.
	f.uploaded("tmp_3", later())
	_, err = f.EnqueueTasks(f.ctx, []store.EnqueueTask{{Task: "b", Uploads: []string{"tmp_3"}}, {Task: "none"}})
	f.wantErr(err, store.ErrNotFound)
	if u, err := f.Upload(f.ctx, "tmp_3"); err != nil || u.ClaimedBy != "" {
		f.Errorf("upload %+v, %v", u, err)
	}
}

func uploadCleanup(f *fixture) {
	f.register(task("a"))
	now := time.Now()
	f.uploaded("tmp_b", now.Add(-2*time.Hour))
	f.uploaded("tmp_c", now.Add(-time.Hour))
	f.uploaded("tmp_a", now.Add(-3*time.Hour))
	f.uploaded("tmp_later", later())
	f.must(f.StartUpload(f.ctx, store.Upload{ID: "tmp_died", Backend: "local", Path: "p", ExpiresAt: now.Add(-time.Minute)}))
	f.uploaded("tmp_claimed", later())
	f.must1(f.EnqueueTasks(f.ctx, []store.EnqueueTask{{Task: "a", Uploads: []string{"tmp_claimed"}}}))
	names := func(after store.Upload, limit int) (ids []string, last store.Upload) {
		list, err := f.ExpiredUploads(f.ctx, after, limit)
		f.must(err)
		for _, u := range list {
			ids, last = append(ids, u.ID), u
		}
		return ids, last
	}
	got, last := names(store.Upload{}, 2)
	if diff := cmp.Diff([]string{"tmp_a", "tmp_b"}, got); diff != "" {
		f.Errorf("(-want +got):\n%s", diff)
	}
	if got, _ := names(last, 10); !cmp.Equal(got, []string{"tmp_c", "tmp_died"}) {
		f.Errorf("after %s: %v", last.ID, got)
	}
	f.must(f.MarkUploadsDeleted(f.ctx, []string{"tmp_a", "tmp_b", "tmp_died", "tmp_claimed", "tmp_later"}))
	if got, _ := names(store.Upload{}, 10); !cmp.Equal(got, []string{"tmp_c"}) {
		f.Errorf("left: %v", got)
	}
	stats, err := f.UploadStats(f.ctx)
	f.must(err)
	if stats.Expired != 1 || stats.Claimed != 1 || stats.Deleted != 2 {
		f.Errorf("stats %+v", stats)
	}
}

func uploadKept(f *fixture) {
	f.register(task("a"))
	f.uploaded("tmp_a", time.Now().Add(time.Hour))
	f.must1(f.PutPipeline(f.ctx, store.Pipeline{ID: "mine", EntryTasks: ids("a"), Structure: pipeline.Structure{"a": {}}}))
	f.startAs(store.StartRun{Pipeline: "mine", Input: store.Input{Path: "in/1", Data: raw(`{}`)}, Uploads: []string{"tmp_a"}})
	f.drain(nil)
	if uses, err := f.UploadsOf(f.ctx, "in/1"); err != nil || len(uses) != 1 || uses[0].ClaimedBy == "" {
		f.Errorf("uses %+v, %v", uses, err)
	}
}
