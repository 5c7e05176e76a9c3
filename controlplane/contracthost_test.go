package controlplane

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
)

// contractHost is a host as the contract has it, written from its sentences
// and sharing nothing with ours: a JSON content type on every call, no body
// where there is nothing to say, ids in paths as they are, members it does not
// know ignored, errors read from the member "error".
type contractHost struct {
	t    testing.TB
	base string
	http *http.Client
}

func (b *bench) contractHost() contractHost {
	b.t.Helper()
	transport := &http.Transport{}
	b.t.Cleanup(transport.CloseIdleConnections)
	return contractHost{b.t, b.serve("").BaseURL() + "///", &http.Client{Transport: transport}}
}

// call returns the status and the answer: an object, or nil for an empty body.
func (h contractHost) call(method, path, token, body string) (int, map[string]any) {
	h.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, strings.TrimRight(h.base, "/")+path, reader)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := h.http.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(data) == 0 {
		return resp.StatusCode, nil
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		h.t.Fatalf("%s %s: %q is no object", method, path, data)
	}
	return resp.StatusCode, out
}

// want makes a call whose answer has a status, and, of a failure, a text as
// "error".
func (h contractHost) want(status int, says, method, path, token, body string) map[string]any {
	h.t.Helper()
	got, out := h.call(method, path, token, body)
	if text, _ := out["error"].(string); got != status || status >= 400 && text != says {
		h.t.Errorf("%s %s: got %d %v, want %d %s", method, path, got, out, status, says)
	}
	return out
}

// texts wants members that are texts with something in them.
func (h contractHost) texts(what string, of map[string]any, names ...string) {
	h.t.Helper()
	for _, name := range names {
		if text, is := of[name].(string); !is || text == "" {
			h.t.Errorf("%s: %s is %v, want a text", what, name, of[name])
		}
	}
}

const contractRedeem = `"hostname":"host a","os":"win32","version":"unknown","unknownMember":{"x":1}}`

// TestContract_hostJoins: endpoints 1 and 2 with every answer of RFC 8628 that
// the contract tells a host to look at.
func TestContract_hostJoins(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	h := b.contractHost()
	const device, redeem = "/api/v1/enrollments/device", "/api/v1/enrollments/redeem"
	start := h.want(201, "", "POST", device, "", `{}`)
	h.texts("device start", start, "id", "deviceCode", "userCode", "verificationUri", "verificationUriComplete")
	expires, err := time.Parse("2006-01-02T15:04:05.000Z", start["expiresAt"].(string))
	if err != nil || !expires.After(time.Now()) {
		t.Errorf("expiresAt %v: %v", start["expiresAt"], err)
	}
	if pace, is := start["interval"].(float64); !is || pace < 1 {
		t.Errorf("interval %v", start["interval"])
	}
	poll := func(code any) string { return `{"deviceCode":"` + code.(string) + `",` + contractRedeem }
	h.want(400, "authorization_pending", "POST", redeem, "", poll(start["deviceCode"]))
	h.want(400, "slow_down", "POST", redeem, "", poll(start["deviceCode"]))
	b.as(b.admin, "POST", "/api/v1/enrollments/"+start["id"].(string)+"/approve", "", 200, nil)
	result := h.want(200, "", "POST", redeem, "", poll(start["deviceCode"]))
	h.texts("redeem", result, "workerId", "workerToken", "operatorToken", "apiUrl", "workspaceId", "environmentId", "authMode")
	for name, prefix := range map[string]string{"workerToken": "wkt_", "operatorToken": "hos_", "apiUrl": "http"} {
		if !strings.HasPrefix(result[name].(string), prefix) {
			t.Errorf("%s does not begin with %s", name, prefix)
		}
	}
	if mode := result["authMode"]; mode != "claude_max" && mode != "api_key" {
		t.Errorf("authMode %v", mode)
	}
	h.want(409, "already_consumed", "POST", redeem, "", poll(start["deviceCode"]))
	h.want(404, "not_found", "POST", redeem, "", poll("none"))

	denied := h.want(201, "", "POST", device, "", `{"label":"b"}`)
	b.as(b.admin, "POST", "/api/v1/enrollments/"+denied["id"].(string)+"/deny", "", 200, nil)
	h.want(403, "access_denied", "POST", redeem, "", poll(denied["deviceCode"]))
	late := h.want(201, "", "POST", device, "", "")
	b.clock.move(time.Hour)
	h.want(410, "expired_token", "POST", redeem, "", poll(late["deviceCode"]))

	// One row for a workspace and a hostname, however often it joins.
	var issued api.IssuedCode
	b.as(b.admin, "POST", "/api/v1/enrollments/codes", `{}`, 201, &issued)
	again := h.want(200, "", "POST", redeem, "", `{"code":"`+issued.Code+`",`+contractRedeem)
	if again["workerId"] != result["workerId"] {
		t.Errorf("the same host is %v and %v", result["workerId"], again["workerId"])
	}
	h.want(409, "already_consumed", "POST", redeem, "", `{"code":"`+issued.Code+`",`+contractRedeem)
	h.want(400, "Invalid request", "POST", redeem, "", `{"code":"x","deviceCode":"y",`+contractRedeem)
}

// TestContract_hostOwnsWorkers: endpoints 3 to 7, 15 and 16 with the codes and
// bodies of the contract.
func TestContract_hostOwnsWorkers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	h := b.contractHost()
	me := b.enroll("box")
	ws := "/api/v1/workspaces/" + me.WorkspaceID + "/workers"
	worker := ws + "/" + me.WorkerID

	minted := h.want(201, "", "POST", ws+"/registration-token", me.OperatorToken, "")
	h.texts("mint", minted, "token", "expiresAt", "lastFour", "id")
	if token := minted["token"].(string); !strings.HasPrefix(token, "wrk_") || !strings.HasSuffix(token, minted["lastFour"].(string)) {
		t.Errorf("minted %v", minted["lastFour"])
	}
	list := h.want(200, "", "GET", ws, me.OperatorToken, "")
	items, _ := list["items"].([]any)
	if next, there := list["nextCursor"]; len(items) != 1 || !there || next != nil {
		t.Fatalf("list %v", list)
	}
	row := items[0].(map[string]any)
	h.texts("worker", row, "id", "status", "derivedStatus")
	for _, name := range []string{"lastSeenAt", "currentRunId", "version"} {
		if _, there := row[name]; !there {
			t.Errorf("worker: %s is not there", name)
		}
	}
	if row["id"] != me.WorkerID || row["status"] != "offline" || row["disabled"] != false {
		t.Errorf("worker %v", row)
	}
	for range 2 { // idempotent
		if got := h.want(200, "", "POST", worker+"/disable", me.OperatorToken, ""); got["disabled"] != true || got["derivedStatus"] != "disabled" || got["id"] != me.WorkerID {
			t.Errorf("disabled: %v", got)
		}
	}
	for range 2 {
		if got := h.want(200, "", "POST", worker+"/enable", me.OperatorToken, ""); got["disabled"] != false {
			t.Errorf("enabled: %v", got)
		}
	}
	h.want(401, "unauthorized", "GET", ws, "", "")
	h.want(401, "unauthorized", "GET", ws, "hos_none", "")
	h.want(403, "forbidden", "POST", worker+"/disable", me.WorkerToken, "")
	h.want(404, "Worker not found", "POST", ws+"/wrk_none/enable", me.OperatorToken, "")

	releases := h.want(200, "", "GET", "/api/v1/releases/latest", "", "")
	for _, name := range []string{"pipedaiWorker", "pipedaiOrchestrator"} {
		one, _ := releases[name].(map[string]any)
		h.texts(name, one, "latest", "source")
	}
	if health := h.want(200, "", "GET", "/api/v1/health", "", ""); health["status"] != "ok" {
		t.Errorf("health %v", health)
	}

	if got := h.want(204, "", "DELETE", worker, me.OperatorToken, ""); got != nil {
		t.Errorf("deleted: %v", got)
	}
	h.want(401, "unauthorized", "POST", "/api/v1/workers/self/heartbeat", me.WorkerToken, `{"runs":[]}`)
}

// TestContract_hostOfPoolWorkers: endpoints 8 to 13, the workers of the pool.
func TestContract_hostOfPoolWorkers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	h := b.contractHost()
	host, reader := b.enroll("box"), b.poolRead().Reveal()
	join := func(hostname string) map[string]any {
		got := h.want(201, "", "POST", "/api/v1/workers/register", "", `{"token":"`+b.poolToken()+`","hostname":"`+hostname+`","os":"linux","version":"1.0.0"}`)
		h.texts("registered", got, "workerId", "workerToken")
		return got
	}
	mine, other := join("box"), join("other")
	id, own := mine["workerId"].(string), mine["workerToken"].(string)

	list := func() []any {
		items, _ := h.want(200, "", "GET", "/api/v1/pool-workers", reader, "")["items"].([]any)
		return items
	}
	if got := list(); len(got) != 2 {
		t.Fatalf("list %v", got)
	}
	for _, row := range list() {
		row := row.(map[string]any)
		h.texts("pool worker", row, "id", "status", "derivedStatus")
		for _, name := range []string{"lastSeenAt", "currentRunId", "version", "disabled"} {
			if _, there := row[name]; !there {
				t.Errorf("pool worker: %s is not there", name)
			}
		}
	}
	h.want(401, "unauthorized", "GET", "/api/v1/pool-workers", "", "")
	h.want(403, "forbidden", "GET", "/api/v1/pool-workers", host.OperatorToken, "")
	h.want(403, "forbidden", "GET", "/api/v1/workspaces/"+host.WorkspaceID+"/workers", reader, "")

	self, admin := "/api/v1/pool-workers/", "/api/v1/admin/pool-workers/"
	for path, token := range map[string]string{self + id + "/self-": own, admin + id + "/": b.admin.Reveal()} {
		for range 2 { // idempotent
			if got := h.want(200, "", "POST", path+"disable", token, ""); got["disabled"] != true || got["derivedStatus"] != "disabled" {
				t.Errorf("%sdisable: %v", path, got)
			}
		}
		for range 2 {
			if got := h.want(200, "", "POST", path+"enable", token, ""); got["disabled"] != false {
				t.Errorf("%senable: %v", path, got)
			}
		}
	}
	// Of itself only, and admin routes are for admins.
	h.want(403, "forbidden", "POST", self+other["workerId"].(string)+"/self-disable", own, "")
	h.want(403, "forbidden", "POST", self+id+"/self-disable", host.OperatorToken, "")
	h.want(403, "forbidden", "POST", self+host.WorkerID+"/self-disable", host.WorkerToken, "")
	h.want(403, "forbidden", "POST", admin+id+"/disable", host.OperatorToken, "")
	h.want(403, "forbidden", "DELETE", admin+id, host.OperatorToken, "")
	h.want(404, "Worker not found", "POST", admin+host.WorkerID+"/disable", b.admin.Reveal(), "")

	if got := h.want(204, "", "DELETE", admin+id, b.admin.Reveal(), ""); got != nil {
		t.Errorf("deleted: %v", got)
	}
	h.want(404, "Worker not found", "DELETE", admin+id, b.admin.Reveal(), "") // a host takes it for done
	h.want(401, "unauthorized", "POST", self+id+"/self-enable", own, "")
	if got := list(); len(got) != 1 {
		t.Errorf("afterwards %v", got)
	}
}

// TestContract_hostListens: endpoint 14, read by the framing rules alone.
func TestContract_hostListens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	h := b.contractHost()
	me := b.enroll("box")
	said := func(kind string) {
		b.as(secret.Text(me.WorkerToken), "POST", "/api/v1/workers/self/events", `{"type":"`+kind+`","ts":"2026-07-01T10:00:00.000Z","data":{"a":1}}`, 204, nil)
	}
	said("worker.started")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(h.base, "/")+"/api/v1/workers/"+me.WorkerID+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Accept": {"text/event-stream"}, "Content-Type": {"application/json"}, "Authorization": {"Bearer " + me.OperatorToken}}
	resp, err := h.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("handshake: %d %s", resp.StatusCode, kind)
	}
	lines := bufio.NewScanner(resp.Body)
	comments := 0
	frame := func() (event string, data map[string]any) {
		t.Helper()
		var text []string
		for lines.Scan() {
			line := strings.TrimSuffix(lines.Text(), "\r")
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case line == "" && text == nil: // a frame without data is dropped
				event = ""
			case line == "":
				if err := json.Unmarshal([]byte(strings.Join(text, "\n")), &data); err != nil {
					t.Fatalf("%q is no JSON", text)
				}
				return event, data
			case name == "":
				comments++
			case name == "event":
				event = value
			case name == "data":
				text = append(text, value)
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return "", nil
	}
	for _, want := range []string{"worker.started", "poll.error", "poll.recovered"} {
		if want != "worker.started" {
			said(want)
		}
		event, data := frame()
		if event != want || data["type"] != want || data["ts"] != "2026-07-01T10:00:00.000Z" {
			t.Errorf("got %s %v, want %s", event, data, want)
		}
	}
	other := b.enroll("other")
	h.want(401, "unauthorized", "GET", "/api/v1/workers/"+me.WorkerID+"/events/stream", "", "")
	h.want(404, "Worker not found", "GET", "/api/v1/workers/"+me.WorkerID+"/events/stream", other.OperatorToken, "")
}
