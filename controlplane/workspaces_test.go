package controlplane

import (
	"fmt"
	"testing"

	"pipedai/api"
	"pipedai/internal/secret"
)

// tenant makes a workspace with an admin of its own.
func (b *bench) tenant(name, authMode string) (api.Workspace, secret.Text) {
	b.t.Helper()
	var ws api.Workspace
	b.as(b.admin, "POST", "/api/v1/workspaces", fmt.Sprintf(`{"name":%q,"authMode":%q}`, name, authMode), 201, &ws)
	var made api.CreatedToken
	b.as(b.admin, "POST", "/api/v1/tokens", fmt.Sprintf(`{"name":"boss of %s","role":"admin","workspaceId":%q}`, name, ws.ID), 200, &made)
	return ws, secret.Text(made.Secret)
}

// TestWorkspaces: hosts join the workspace of whoever lets them in, hear how it
// pays for models and which environment is theirs.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	ws, boss := b.tenant("research", "claude_max")
	b.as(b.admin, "POST", "/api/v1/workspaces", `{"name":"research"}`, 409, nil)
	b.as(b.admin, "PATCH", "/api/v1/workspaces/"+ws.ID, `{"name":"default"}`, 409, nil)
	b.as(b.admin, "PATCH", "/api/v1/workspaces/"+ws.ID, `{"authMode":"barter"}`, 400, nil)
	var staging api.Environment
	b.as(boss, "POST", "/api/v1/workspaces/"+ws.ID+"/environments", `{"name":"staging"}`, 201, &staging)
	redeem := func(code, device, hostname string) api.RedeemResult {
		t.Helper()
		got, err := b.serve("").Redeem(ctx, api.RedeemRequest{Code: code, DeviceCode: device, Hostname: hostname, OS: "linux", Version: "1"})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	joined := func(got api.RedeemResult, ws, env, mode string) {
		t.Helper()
		if got.WorkspaceID != ws || got.EnvironmentID != env || got.AuthMode != mode {
			t.Errorf("joined %s %s %s, want %s %s %s", got.WorkspaceID, got.EnvironmentID, got.AuthMode, ws, env, mode)
		}
	}
	// A pairing: asked of the control plane, and of whoever approves.
	start, err := b.serve("").DeviceStart(ctx, api.DeviceStartRequest{Hostname: "box", OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	var found api.Enrollment
	b.as(boss, "GET", "/api/v1/enrollments/lookup?code="+start.UserCode, "", 200, &found)
	b.as(boss, "POST", "/api/v1/enrollments/"+found.ID+"/approve", `{"environmentId":"env_none"}`, 404, nil)
	b.as(boss, "POST", "/api/v1/enrollments/"+found.ID+"/approve", `{"environmentId":"`+staging.ID+`"}`, 200, &found)
	if found.Workspace != ws.ID || found.Environment != staging.ID {
		t.Errorf("approved %+v", found)
	}
	joined(redeem("", start.DeviceCode, "box"), ws.ID, staging.ID, "claude_max")
	b.as(boss, "POST", "/api/v1/enrollments/"+found.ID+"/deny", "", 409, nil)

	// A code, for its own workspace and by an admin of the default one for another.
	var code api.IssuedCode
	b.as(boss, "POST", "/api/v1/enrollments/codes", `{}`, 201, &code)
	joined(redeem(code.Code, "", "box2"), ws.ID, ws.EnvironmentID, "claude_max")
	b.as(b.admin, "POST", "/api/v1/enrollments/codes", `{"workspaceId":"`+ws.ID+`"}`, 201, &code)
	var changed api.Workspace
	b.as(boss, "PATCH", "/api/v1/workspaces/"+ws.ID, `{"name":"lab","authMode":"api_key"}`, 200, &changed)
	if changed.Name != "lab" || changed.AuthMode != "api_key" || changed.Default {
		t.Errorf("changed %+v", changed)
	}
	joined(redeem(code.Code, "", "box3"), ws.ID, ws.EnvironmentID, "api_key")
	joined(b.enroll("box"), "ws_default", "env_default", "api_key")

	var list api.Workspaces
	b.as(b.admin, "GET", "/api/v1/workspaces", "", 200, &list)
	if len(list.Items) != 2 || list.Items[0].Name != "default" || list.Items[1].Name != "lab" {
		t.Errorf("all of them: %+v", list)
	}
	list = api.Workspaces{}
	b.as(boss, "GET", "/api/v1/workspaces", "", 200, &list)
	if len(list.Items) != 1 || list.Items[0].ID != ws.ID {
		t.Errorf("of an admin of one: %+v", list)
	}
}

// TestTokens_T3_tenant: a token is refused wherever the path, the query or the
// body names another workspace than its own; what it names is never quietly
// replaced by its own. Only admins of the default workspace reach others.
func TestTokens_T3_tenant(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	mine, boss := b.tenant("mine", "api_key")
	theirs, other := b.tenant("theirs", "api_key")
	b.as(other, "POST", "/api/v1/enrollments/codes", `{}`, 201, nil)
	host := b.enroll("box") // of the default workspace
	for _, try := range []struct{ method, path, body string }{
		{"GET", "/api/v1/workspaces/" + theirs.ID + "/workers", ""},
		{"GET", "/api/v1/workspaces/ws_default/workers", ""},
		{"GET", "/api/v1/workspaces/ws_pool/workers", ""},
		{"GET", "/api/v1/workspaces/none/workers", ""},
		{"POST", "/api/v1/workspaces/ws_default/workers/" + host.WorkerID + "/disable", ""},
		{"DELETE", "/api/v1/workspaces/ws_default/workers/" + host.WorkerID, ""},
		{"POST", "/api/v1/workspaces/" + theirs.ID + "/workers/registration-token", "{}"},
		{"GET", "/api/v1/workspaces/" + theirs.ID + "/environments", ""},
		{"POST", "/api/v1/workspaces/" + theirs.ID + "/environments", `{"name":"x"}`},
		{"PATCH", "/api/v1/workspaces/" + theirs.ID, `{"name":"x"}`},
		{"POST", "/api/v1/workspaces", `{"name":"x"}`},
		{"GET", "/api/v1/hosts?workspaceId=" + theirs.ID, ""},
		{"GET", "/api/v1/enrollments?workspaceId=" + theirs.ID, ""},
		{"GET", "/api/v1/tokens?workspaceId=" + theirs.ID, ""},
		{"GET", "/api/v1/audit?workspaceId=" + theirs.ID, ""},
		{"POST", "/api/v1/tokens", `{"name":"x","role":"viewer","workspaceId":"` + theirs.ID + `"}`},
		{"POST", "/api/v1/tokens", `{"name":"x","role":"viewer","workspaceId":"ws_pool"}`},
		{"POST", "/api/v1/tokens", `{"name":"x","kind":"pop"}`},
		{"POST", "/api/v1/tokens", `{"name":"x","kind":"pool"}`},
		{"POST", "/api/v1/tokens", `{"name":"x","kind":"enr","workspaceId":"ws_default"}`},
		{"POST", "/api/v1/enrollments/codes", `{"workspaceId":"` + theirs.ID + `"}`},
		{"GET", "/api/v1/admin/pool-workers", ""},
		// Hosts of every workspace install what is published.
		{"POST", "/api/v1/release-keys", `{"first":"prk_x"}`},
		{"POST", "/api/v1/releases/pipedai-worker/1.0.0", `{"payloadType":"x","payload":"eA==","signatures":[{"keyid":"x","sig":"eA=="}]}`},
		{"PUT", "/api/v1/releases/pipedai-worker/1.0.0/artifacts/x", "x"},
		{"POST", "/api/v1/releases/pipedai-worker/1.0.0/yank", `{"reason":"x"}`},
	} {
		b.as(boss, try.method, try.path, try.body, 403, nil)
	}
	// In its own path another's worker does not exist.
	b.as(boss, "POST", "/api/v1/workspaces/"+mine.ID+"/workers/"+host.WorkerID+"/disable", "", 404, nil)
	b.as(b.admin, "POST", "/api/v1/workspaces/"+mine.ID+"/workers/"+host.WorkerID+"/disable", "", 404, nil)

	// Nor do another's tokens, lines and hosts.
	var tokens api.Tokens
	b.as(boss, "GET", "/api/v1/tokens", "", 200, &tokens)
	for _, k := range tokens.Items {
		if k.Workspace != mine.ID {
			t.Errorf("an admin of one workspace sees %+v", k)
		}
	}
	var all api.Tokens
	b.as(b.admin, "GET", "/api/v1/tokens?workspaceId="+theirs.ID, "", 200, &all)
	if len(tokens.Items) != 1 || len(all.Items) != 2 {
		t.Fatalf("tokens %+v and %+v", tokens, all)
	}
	for _, k := range all.Items {
		b.as(boss, "DELETE", "/api/v1/tokens/"+k.ID, "", 404, nil)
		b.as(b.admin, "DELETE", "/api/v1/tokens/"+k.ID, "", 200, nil)
	}
	b.as(other, "GET", "/api/v1/workspaces", "", 401, nil)
	var lines api.AuditLines
	b.as(boss, "GET", "/api/v1/audit", "", 200, &lines)
	for _, l := range lines.Items {
		if l.Workspace != mine.ID && l.Actor != "boss of mine" {
			t.Errorf("an admin of one workspace reads %+v", l)
		}
	}
	// Admins of the default workspace manage all of them.
	b.as(b.admin, "GET", "/api/v1/workspaces/"+theirs.ID+"/workers", "", 200, nil)
	b.as(b.admin, "GET", "/api/v1/hosts?workspaceId="+theirs.ID, "", 200, nil)
	b.as(b.admin, "PATCH", "/api/v1/workspaces/"+theirs.ID, `{"name":"y"}`, 200, nil)
	// Other roles of it do not.
	b.as(b.operate, "GET", "/api/v1/workspaces/"+theirs.ID+"/workers", "", 403, nil)
}
