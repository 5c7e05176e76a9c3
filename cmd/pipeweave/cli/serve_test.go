package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
	"pipedai/internal/sqlitefile"
	"pipedai/storage"
	"pipedai/storage/all"
)

// TestServe is a newcomer's first minutes: serve, look around, admit a host,
// run something, stop.
func TestServe(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, out, log, stop := s.serve()
	dir := s.env["PIPEWEAVE_HOME"]

	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	secretToken := strings.TrimSpace(string(token))
	for _, want := range []string{url, "/?token=" + secretToken, "pipeweave.db", "storage", "pipedai-orchestrator connect --api-url " + url} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in the greeting:\n%s", want, out)
		}
	}
	if strings.Contains(log.String(), secretToken) {
		t.Error("the token is in the log")
	}
	for _, name := range []string{"admin.token", "secret.key", "serve.json", "pipeweave.db"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", name, info, err)
		}
	}

	// Commands on the same machine find the server and its token by themselves.
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"services"}, "No services"},
		{[]string{"pipelines"}, "No pipelines"},
		{[]string{"runs"}, "No runs"},
		{[]string{"workers"}, "pipedai-orchestrator connect --api-url " + url},
		{[]string{"enrollments", "list"}, "No enrollments"},
		{[]string{"db", "status"}, "Pending migrations: 0"},
	} {
		if code, out, errs := s.run(test.args...); code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%v: got %d %s %s, want %q", test.args, code, out, errs, test.want)
		}
	}

	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	start, err := c.DeviceStart(t.Context(), api.DeviceStartRequest{Hostname: "box", OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := s.run("enrollments", "approve", strings.ToLower(start.UserCode)); code != 0 || !strings.Contains(out, "Approved: host box (linux) from 127.0.0.1") {
		t.Errorf("approve: got %d %s %s", code, out, errs)
	}
	if code, _, errs := s.run("enrollments", "deny", start.UserCode); code != cliutil.ExitConflict || !strings.Contains(errs, "approved by admin") {
		t.Errorf("deny after approve: got %d %s", code, errs)
	}
	if _, err := c.Redeem(t.Context(), api.RedeemRequest{DeviceCode: start.DeviceCode, Hostname: "box", OS: "linux", Version: "1.0.0"}); err != nil {
		t.Error(err)
	}
	if code, out, _ := s.run("workers", "--json"); code != 0 || !strings.Contains(out, `"hostname": "box"`) || !json.Valid([]byte(out)) {
		t.Errorf("workers: got %d %s", code, out)
	}
	if code, out, errs := s.run("enrollments", "issue"); code != 0 || !strings.HasPrefix(out, "enr_") || strings.Contains(errs, "enr_") {
		t.Errorf("issue: got %d %s %s", code, out, errs)
	}

	// A second server on the same folder, and one on the same port.
	if code, _, errs := s.run("serve", "--addr", "127.0.0.1:0"); code != cliutil.ExitConflict || !strings.Contains(errs, fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("same folder: got %d %s", code, errs)
	}
	other := newShell(t)
	if code, _, errs := other.run("serve", "--addr", strings.TrimPrefix(url, "http://")); code != cliutil.ExitConflict || !strings.Contains(errs, "in use by") {
		t.Errorf("same port: got %d %s", code, errs)
	}

	// A reader of the change feed does not hold the stop up.
	reading, read := make(chan struct{}, 10), make(chan struct{})
	go func() {
		defer close(read)
		_ = c.Stream(t.Context(), 0, func(api.StreamEvent) { reading <- struct{}{} })
	}()
	<-reading
	begun := time.Now()
	if code := stop(); code != 0 {
		t.Errorf("stop: got %d, want 0\n%s", code, log)
	}
	if took := time.Since(begun); took > stopGrace/2 {
		t.Errorf("the stop took %v", took)
	}
	<-read
	if code, _, errs := s.run("services"); code != cliutil.ExitNotRunning || !strings.Contains(errs, "pipeweave serve") {
		t.Errorf("after the stop: got %d %s", code, errs)
	}

	// It finds its state again, and keeps its token.
	_, out, _, stop = s.serve()
	if !strings.Contains(out.String(), secretToken) {
		t.Error("a restart made another token")
	}
	if code, out, _ := s.run("workers"); code != 0 || !strings.Contains(out, "box") {
		t.Errorf("workers after a restart: got %d %s", code, out)
	}
	if code := stop(); code != 0 {
		t.Errorf("second stop: got %d", code)
	}
}

// TestServe_storageApart: neither a storage token nor an object path leads to
// what the server keeps for itself.
func TestServe_storageApart(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	home := s.env["PIPEWEAVE_HOME"]
	dispatched := make(chan api.Dispatch, 1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var d api.Dispatch
		_ = json.NewDecoder(r.Body).Decode(&d)
		w.WriteHeader(http.StatusAccepted)
		dispatched <- d
	}))
	defer service.Close()
	c := client.New(url, client.Options{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if _, err := c.Register(t.Context(), api.RegisterRequest{ServiceID: "s", Version: "1.0.0", BaseURL: service.URL, Tasks: []api.TaskRegistration{{ID: "t", CodeHash: strings.Repeat("a", 16), AllowedNext: []string{}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.QueueTask(t.Context(), api.QueueTaskRequest{TaskID: "t"}); err != nil {
		t.Fatal(err)
	}
	shared, err := os.ReadFile(filepath.Join(home, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := storage.Unseal(strings.TrimSpace(string(shared)), (<-dispatched).StorageToken)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(home, "storage"); config.Credentials["basePath"] != want {
		t.Errorf("the token names %s, want %s", config.Credentials["basePath"], want)
	}
	bucket, err := all.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	for _, name := range []string{"secret.key", "admin.token", "pipeweave.db", "serve.json"} {
		if err := os.Symlink(filepath.Join(home, name), filepath.Join(home, "storage", "link-"+name)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{name, "../" + name, "x/../../" + name, "%2e%2e/" + name, filepath.Join(home, name), "link-" + name} {
			if _, _, err := bucket.Get(t.Context(), path); err == nil {
				t.Errorf("the bucket opens %s", path)
			}
			if _, err := c.StorageRaw(t.Context(), path); err == nil {
				t.Errorf("the server sends %s", path)
			}
		}
	}
}

// TestNoServer: every command that calls a server says what helps when none
// answers.
func TestNoServer(t *testing.T) {
	t.Parallel()
	for _, where := range [][]string{nil, {"-u", "http://127.0.0.1:1"}} {
		for _, command := range []string{
			"pipelines", "pipelines list", "pipelines show x", "runs", "services", "workers", "status prun_x", "status trun_x", "trigger x",
			"enrollments list", "enrollments approve AAAA-BBBB", "enrollments deny AAAA-BBBB", "enrollments issue",
		} {
			args := append(strings.Fields(command), where...)
			code, out, errs := newShell(t).run(args...)
			if code != cliutil.ExitNotRunning || out != "" || !strings.Contains(errs, "`pipeweave serve`") || !strings.Contains(errs, "-u URL or PIPEWEAVE_ORCHESTRATOR_URL") {
				t.Errorf("%v: got %d %q %q", args, code, out, errs)
			}
		}
	}
}

// TestDBStatus_changesNothing: looking at a database that is not there does
// not make one.
func TestDBStatus_changesNothing(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "own.db")
	for _, args := range [][]string{{"db", "status"}, {"db", "status", "--url", "sqlite:" + file}} {
		code, out, errs := s.run(args...)
		if code != 0 || !strings.Contains(out, "not created yet") || !strings.Contains(out, "Applied migrations: 0") || !strings.Contains(out, "pending  001_") {
			t.Errorf("%v: got %d %s %s", args, code, out, errs)
		}
	}
	for _, path := range []string{file, s.env["PIPEWEAVE_HOME"]} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there (%v)", path, err)
		}
	}
}

// TestServe_refuses starts that cannot go well, and changes nothing.
func TestServe_refuses(t *testing.T) {
	t.Parallel()
	t.Run("database of a newer version", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		if code, _, errs := s.run("db", "init"); code != 0 {
			t.Fatalf("db init: got %d %s", code, errs)
		}
		path := filepath.Join(s.env["PIPEWEAVE_HOME"], "pipeweave.db")
		db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Writer.ExecContext(t.Context(), "insert into engine_migrations (version_id, is_applied) values (9999, 1)"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		code, out, errs := s.run("serve", "--addr", "127.0.0.1:0")
		if code != 1 || !strings.Contains(errs, "written by a newer version of pipeweave; nothing was changed") || out != "" {
			t.Errorf("got %d %s %s", code, out, errs)
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("the database changed (%v)", err)
		}
	})
	t.Run("state folder that is a file", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := s.run("serve", "--addr", "127.0.0.1:0", "--data-dir", file); code != 1 || !strings.Contains(errs, "--data-dir") {
			t.Errorf("got %d %s", code, errs)
		}
	})
	t.Run("secret key that cannot be read", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		home := s.env["PIPEWEAVE_HOME"]
		if err := os.MkdirAll(filepath.Join(home, "secret.key"), 0o700); err != nil { // unreadable for root, too
			t.Fatal(err)
		}
		if code, _, errs := s.run("serve", "--addr", "127.0.0.1:0"); code != 1 || !strings.Contains(errs, "secret.key") || !strings.Contains(errs, "--secret-key-file") {
			t.Errorf("got %d %s", code, errs)
		}
		if _, err := os.Stat(filepath.Join(home, "pipeweave.db")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a database was made (%v)", err)
		}
	})
	t.Run("storage of an unknown kind", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		s.env["STORAGE_BACKENDS"] = `[{"id":"a","provider":"floppy","endpoint":"","bucket":"b","credentials":{}}]`
		if code, _, errs := s.run("serve", "--addr", "127.0.0.1:0"); code != 2 || !strings.Contains(errs, `"floppy" is not one of`) {
			t.Errorf("got %d %s", code, errs)
		}
	})
}
