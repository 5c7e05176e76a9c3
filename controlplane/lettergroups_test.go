package controlplane

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/secret"
)

// fail makes a dead letter of a task with these words.
func (b *bench) fail(worker secret.Text, task, words string) {
	b.t.Helper()
	b.post("/api/queue/task", fmt.Sprintf(`{"taskId":%q,"input":{}}`, task), nil)
	var got api.ClaimResponse
	b.as(worker, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, &got)
	if len(got.Runs) != 1 {
		b.t.Fatalf("claimed %+v", got)
	}
	b.as(worker, "POST", "/api/callback/"+got.Runs[0].RunID, fmt.Sprintf(`{"status":"failed","error":%q,"retryable":false}`, words), 200, nil)
}

// TestDeadLetters_groups: what failed alike is one group over everything that
// the filter admits, and what is done with a group as of a moment leaves out
// what failed after it.
func TestDeadLetters_groups(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	worker := secret.Text(b.enroll("box").WorkerToken)
	b.as(worker, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	for n := range 5 {
		b.fail(worker, "keep", fmt.Sprintf("page %d of \"%d.pdf\" is empty", n, n))
	}
	b.fail(worker, "keep", "no space left")
	b.fail(worker, "fetch", "page 1 of \"1.pdf\" is empty")

	ctx, c := t.Context(), b.serve(b.admin)
	groups, err := c.LetterGroups(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, g := range groups.Groups {
		said = append(said, fmt.Sprintf("%s %d %s", g.TaskID, g.Count, g.Fingerprint))
	}
	slices.Sort(said)
	if diff := cmp.Diff([]string{"fetch 1 page … of … is empty", "keep 1 no space left", "keep 5 page … of … is empty"}, said); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	most := groups.Groups[0]
	if groups.Total != 7 || groups.Rest != 0 || most.Count != 5 || most.Error != `page 4 of "4.pdf" is empty` || most.Oldest.After(most.Newest.Time) {
		t.Errorf("%+v", groups)
	}

	// Somebody confirms what they see; another one fails meanwhile.
	seen := url.Values{"group": {most.ID}, "to": {groups.AsOf.String()}}
	for range 3 {
		b.fail(worker, "fetch", "later")
	}
	var list api.DeadLetters
	if list, err = c.DeadLetters(ctx, url.Values{"group": {most.ID}, "limit": {"2"}, "offset": {"1"}}); err != nil {
		t.Fatal(err)
	}
	if list.Total != 5 || len(list.Items) != 2 || list.Items[0].Error != `page 3 of "3.pdf" is empty` {
		t.Errorf("the second and third of the group: %+v", list)
	}
	var ids []string
	for after := ""; ; {
		seen.Set("after", after)
		seen.Set("limit", "2")
		page, err := c.LetterIDs(ctx, seen)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, page.IDs...)
		if page.Next == nil {
			break
		}
		after = *page.Next
	}
	if len(ids) != 5 || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 5 || ids[0] != most.ExampleID {
		t.Errorf("ids %v, the newest being %s", ids, most.ExampleID)
	}
	got, err := c.RetryDeadLetters(ctx, api.RetryAllRequest{IDs: ids})
	if err != nil || got.Retried != 5 {
		t.Errorf("retried %+v, %v", got, err)
	}
	if groups, err = c.LetterGroups(ctx, url.Values{"taskId": {"keep"}}); err != nil || groups.Total != 1 {
		t.Errorf("left of the task: %+v, %v", groups, err)
	}
	b.as(b.view, "GET", "/api/dlq/ids?after=x", "", 400, nil)
}
