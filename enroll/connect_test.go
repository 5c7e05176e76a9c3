package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

func testDir(t testing.TB) hostdir.Dir {
	t.Helper()
	dir, err := hostdir.At(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func testOptions(dir hostdir.Dir, remote Remote) Options {
	return Options{
		APIURL: "https://api.example.test", Dir: dir, Remote: remote,
		Facts: Facts{Hostname: "build-box", OS: "linux", Version: "1.0.0"},
	}
}

func entriesOf(t testing.TB, dir hostdir.Dir) []manifest.Entry {
	t.Helper()
	m, err := manifest.Open(context.Background(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	entries, err := m.Entries(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestConnect_deviceFlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := testDir(t)
		remote := &scripted{
			began: time.Now(),
			start: api.DeviceStart{
				DeviceCode: "device-secret", UserCode: "WDJB-MJHT", VerificationURI: "https://api.example.test/activate",
				VerificationURIComplete: "https://api.example.test/activate?code=WDJB-MJHT", Interval: 5, ExpiresIn: 600,
			},
			answers: []func(context.Context) (api.RedeemResult, error){refuseWith(400, api.CodeAuthPending), granted},
		}
		o := testOptions(dir, remote)
		var shown Pairing
		o.OnPairing = func(p Pairing) { shown = p }
		result, err := Connect(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if shown.UserCode != "WDJB-MJHT" || shown.URL != "https://api.example.test/activate" {
			t.Errorf("shown %+v", shown)
		}
		if remote.got[0].DeviceCode != "device-secret" || remote.got[0].Hostname != "build-box" || remote.got[0].OS != "linux" {
			t.Errorf("redeemed with %+v", remote.got[0])
		}
		want := Result{
			WorkerID: "w1", Label: "build-box", APIURL: "https://api.example.test", WorkspaceID: "ws1", EnvironmentID: "env1",
			ConfigPath: dir.WorkerConfig("build-box"), Changed: true,
		}
		if diff := cmp.Diff(want, result); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
		entries := entriesOf(t, dir)
		if len(entries) != 1 || entries[0].ID != "w1" || !entries[0].Running || !entries[0].Enabled {
			t.Errorf("manifest %+v", entries)
		}
		creds, err := LoadCredentials(dir.Credentials())
		if err != nil || creds.Operator("https://api.example.test/", "ws1").Reveal() != "hos_secret-of-the-host" {
			t.Errorf("credentials: %v", err)
		}
	})
}

// How the tasks of the workspace use Claude is kept and given to the worker's
// process; what this program does not know is not made up for.
func TestConnect_24_authModeIsKept(t *testing.T) {
	t.Parallel()
	for said, kept := range map[string]string{"api_key": "api_key", "claude_max": "claude_max", "": "", "something newer": ""} {
		dir := testDir(t)
		o := testOptions(dir, &scripted{answers: []func(context.Context) (api.RedeemResult, error){
			func(ctx context.Context) (api.RedeemResult, error) {
				answer, err := granted(ctx)
				answer.AuthMode = said
				return answer, err
			},
		}})
		o.Code = "enr_code"
		if _, err := Connect(t.Context(), o); err != nil {
			t.Fatalf("%q: %v", said, err)
		}
		if got := entriesOf(t, dir)[0].Settings.AuthMode; got != kept {
			t.Errorf("%q: kept %q, want %q", said, got, kept)
		}
	}
}

func TestConnect_workerFileIsTheContract(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	tasks := filepath.Join(t.TempDir(), "tasks.yaml")
	if err := os.WriteFile(tasks, []byte("service: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := testOptions(dir, &scripted{answers: []func(context.Context) (api.RedeemResult, error){granted}})
	o.Code, o.Tasks = "enr_code", []string{tasks}
	result, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(result.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"workerId": "w1", "workerToken": "wkt_secret-of-the-worker", "apiUrl": "https://api.example.test",
		"workspaceId": "ws1", "isPool": false, "tasks": []any{tasks},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("worker.json (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(result.ConfigPath); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestConnect_twiceIsAlready(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	remote := &scripted{answers: []func(context.Context) (api.RedeemResult, error){granted}}
	o := testOptions(dir, remote)
	o.Code = "enr_code"
	first, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Code = ""
	o.Verify = func(_ context.Context, url string, token secret.Text, ws, id string) (bool, error) {
		return url == "https://api.example.test" && token == "hos_secret-of-the-host" && ws == "ws1" && id == "w1", nil
	}
	second, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Already || second.Changed || second.ConfigPath != first.ConfigPath {
		t.Errorf("second connect: %+v", second)
	}
	if len(remote.got) != 1 {
		t.Errorf("redeemed %d times", len(remote.got))
	}
}

func TestConnect_againWithACodeIsAnUpsert(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	rotated := func(context.Context) (api.RedeemResult, error) {
		r, _ := granted(context.Background())
		r.WorkerToken = "wkt_the-next-token"
		return r, nil
	}
	o := testOptions(dir, &scripted{answers: []func(context.Context) (api.RedeemResult, error){granted, rotated}})
	o.Code = "enr_code"
	first, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Label = "renamed"
	second, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if second.ConfigPath != first.ConfigPath || second.Label != "renamed" {
		t.Errorf("second connect: %+v", second)
	}
	if entries := entriesOf(t, dir); len(entries) != 1 || entries[0].Label != "renamed" {
		t.Errorf("manifest %+v", entries)
	}
	file, err := ReadWorkerFile(first.ConfigPath)
	if err != nil || file.WorkerToken.Reveal() != "wkt_the-next-token" {
		t.Errorf("worker file %+v, %v", file, err)
	}
}

func TestConnect_refusesWithoutWriting(t *testing.T) {
	t.Parallel()
	change := func(f func(*api.RedeemResult)) func(context.Context) (api.RedeemResult, error) {
		return func(context.Context) (api.RedeemResult, error) {
			r, _ := granted(context.Background())
			f(&r)
			return r, nil
		}
	}
	tests := []struct {
		name   string
		answer func(context.Context) (api.RedeemResult, error)
		say    string
	}{
		{"another host", change(func(r *api.RedeemResult) { r.APIURL = "https://evil.example" }), "nothing was written"},
		{"plain http", change(func(r *api.RedeemResult) { r.APIURL = "http://api.example.test" }), "in the clear"},
		{"an id that is a path", change(func(r *api.RedeemResult) { r.WorkerID = "../../x" }), "worker id"},
		{"no token", change(func(r *api.RedeemResult) { r.WorkerToken = "" }), "not a redeemed enrolment"},
		{"denied", refuseWith(403, "access_denied"), "denied"},
		{"used", refuseWith(409, "already_consumed"), "used already"},
		{"a broken server", refuseWith(500, "HTTP 500"), "HTTP 500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := testDir(t)
			o := testOptions(dir, &scripted{answers: []func(context.Context) (api.RedeemResult, error){tt.answer}})
			o.Code = "enr_code"
			_, err := Connect(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("error %v, want one that says %q", err, tt.say)
			}
			if _, err := os.Stat(dir.Credentials()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("credentials were written")
			}
			if files, _ := filepath.Glob(filepath.Join(dir.Workers(), "*")); len(files) > 0 {
				t.Errorf("worker files were written: %v", files)
			}
			if entries := entriesOf(t, dir); len(entries) > 0 {
				t.Errorf("manifest %+v", entries)
			}
		})
	}
}

func TestConnect_confirmedMove(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	moved := func(context.Context) (api.RedeemResult, error) {
		r, _ := granted(context.Background())
		r.APIURL = "https://api2.example.test/"
		return r, nil
	}
	o := testOptions(dir, &scripted{answers: []func(context.Context) (api.RedeemResult, error){moved}})
	o.Code = "enr_code"
	o.ConfirmURL = func(from, to string) bool {
		return from == "https://api.example.test" && to == "https://api2.example.test"
	}
	result, err := Connect(t.Context(), o)
	if err != nil || result.APIURL != "https://api2.example.test" {
		t.Errorf("result %+v, %v", result, err)
	}
}

func TestConnect_checksBeforeItAsks(t *testing.T) {
	t.Parallel()
	t.Run("a task file that is missing", func(t *testing.T) {
		t.Parallel()
		remote := &scripted{}
		o := testOptions(testDir(t), remote)
		o.Code, o.Tasks = "enr_code", []string{"/no/such/tasks.yaml"}
		if _, err := Connect(t.Context(), o); err == nil || len(remote.got) > 0 {
			t.Errorf("error %v, asked %d times", err, len(remote.got))
		}
	})
	t.Run("credentials that are damaged", func(t *testing.T) {
		t.Parallel()
		remote, dir := &scripted{}, testDir(t)
		if err := dir.Make(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir.Credentials(), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := testOptions(dir, remote)
		o.Code = "enr_code"
		if _, err := Connect(t.Context(), o); err == nil || len(remote.got) > 0 {
			t.Errorf("error %v, asked %d times", err, len(remote.got))
		}
		if data, err := os.ReadFile(dir.Credentials()); err != nil || string(data) != "{" {
			t.Errorf("the damaged file was touched: %q", data)
		}
	})
	t.Run("a home that is a file", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "home")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		dir, err := hostdir.At(path)
		if err != nil {
			t.Fatal(err)
		}
		remote := &scripted{}
		o := testOptions(dir, remote)
		o.Code = "enr_code"
		if _, err := Connect(t.Context(), o); err == nil || len(remote.got) > 0 {
			t.Errorf("error %v, asked %d times", err, len(remote.got))
		}
	})
}

func TestConnect_takenSlugGetsANumber(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	other := func(context.Context) (api.RedeemResult, error) {
		r, _ := granted(context.Background())
		r.WorkerID, r.WorkspaceID, r.OperatorToken = "w2", "ws2", "hos_of-the-second-workspace"
		return r, nil
	}
	o := testOptions(dir, &scripted{answers: []func(context.Context) (api.RedeemResult, error){granted, other}})
	o.Code = "enr_code"
	for range 2 {
		if _, err := Connect(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	var paths []string
	for _, e := range entriesOf(t, dir) {
		paths = append(paths, e.ConfigPath)
	}
	if diff := cmp.Diff([]string{dir.WorkerConfig("build-box"), dir.WorkerConfig("build-box-2")}, paths); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	creds, err := LoadCredentials(dir.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	if creds.Operator(o.APIURL, "ws1") == creds.Operator(o.APIURL, "ws2") {
		t.Error("the second workspace's credential replaced the first one's")
	}
}

// Somebody who interrupts the question about another address gave no answer to
// it, and hears that it was interrupted.
func TestConnect_interruptedQuestion(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	ctx, interrupt := context.WithCancel(t.Context())
	o := testOptions(dir, &scripted{answers: []func(context.Context) (api.RedeemResult, error){
		func(context.Context) (api.RedeemResult, error) {
			r, err := granted(context.Background())
			r.APIURL = "https://api2.example.test"
			return r, err
		},
	}})
	o.Code = "enr_code"
	o.ConfirmURL = func(string, string) bool {
		interrupt()
		return false
	}
	if _, err := Connect(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if entries := entriesOf(t, dir); len(entries) > 0 {
		t.Errorf("manifest %+v", entries)
	}
}
