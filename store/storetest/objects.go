package storetest

import (
	"encoding/json"

	"github.com/google/go-cmp/cmp"

	"pipedai/store"
)

// Where the objects of a run are and what they must hash to.
var objectCases = []testCase{
	{name: "hashes travel with what they are of", run: hashesTravel},
	{name: "the tasks of a run inherit where its objects are", run: placementInherited},
}

func hashesTravel(f *fixture) {
	f.register(task("a", "b"), task("b"))
	f.start("svc", "")
	c := f.claim(1)[0]
	e := done(c)
	e.OutputSHA256 = "aa11"
	e.Assets = map[string]store.Asset{"k": {Path: "p", Size: 1, Type: "json", SHA256: "bb22"}}
	f.end(e)
	if got := f.taskRun(c.TaskRun.ID); got.OutputSHA256 != "aa11" {
		f.Errorf("the task run has the output hash %q", got.OutputSHA256)
	}
	want := store.UpstreamRefs{{Task: "a", OutputPath: "out/a.json", SHA256: "aa11", Assets: e.Assets}}
	if diff := cmp.Diff(want, f.claim(1)[0].TaskRun.UpstreamRefs); diff != "" {
		f.Errorf("upstream refs (-want +got):\n%s", diff)
	}
}

func placementInherited(f *fixture) {
	f.register(task("a", "b"), task("b"))
	f.startAs(store.StartRun{
		Pipeline: "svc", Metadata: json.RawMessage(`{"storageBackendId":"eu","inputSha256":"cc","team":"x"}`),
	})
	first := f.claim(1)[0]
	f.end(done(first))
	for _, c := range append(f.claim(1), first) {
		var got map[string]any
		f.must(json.Unmarshal(c.TaskRun.Metadata, &got))
		want := map[string]any{"storageBackendId": "eu", "inputSha256": "cc"}
		if diff := cmp.Diff(want, got); diff != "" {
			f.Errorf("metadata of %s (-want +got):\n%s", c.TaskRun.Task, diff)
		}
	}
}
