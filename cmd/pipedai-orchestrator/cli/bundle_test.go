package cli

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/buildinfo"
)

// No secret of the host is in the bundle, wherever it was written, and what
// helps is.
func TestSupportBundle_holdsNoSecret(t *testing.T) {
	const fromEnv = `s3cret "with" quotes & more`
	t.Setenv("MY_API_TOKEN", fromEnv)
	tm := newTerminal(t)
	secrets := []string{
		"oct_ours", "wkt_the-token-of-w1", "pwk_an-operators-key", "hos_of-the-host-1234", "a-pool-secret-value", fromEnv,
		"enr_nobody-knew-of-it", "hunter2hunter2", "c2VjcmV0LWJlYXJlcg", "MIIEvQIBADANBgkqhki", "proxypass1",
	}
	self := selfOf("running")
	self.ControlPlanes = []api.RemoteState{{APIURL: "http://127.0.0.1:1", Error: "refused for pwk_an-operators-key"}}
	routes := selfRoutes(self, workerOf("w1", "box"))
	routes["GET /metrics"] = "pipedai_worker_up 1"
	routes["GET /api/operations"] = api.Operations{Items: []api.Operation{{ID: "op_1", Error: "asked with Bearer c2VjcmV0LWJlYXJlcg"}}}
	fakeDaemon(t, tm, buildinfo.Version(), routes)
	orchestrator := filepath.Join(tm.home, "orchestrator")
	write(t, filepath.Join(orchestrator, "credentials.json"),
		`{"version":1,"localToken":"oct_ours","operators":{"http://127.0.0.1:1":"pwk_an-operators-key"},"hosts":{"http://127.0.0.1:1":{"ws1":"hos_of-the-host-1234"}},"poolReadTokens":{"x":"a-pool-secret-value"}}`)
	write(t, filepath.Join(orchestrator, "workers", "box.json"), `{"workerId":"w1","workerToken":"wkt_the-token-of-w1","apiUrl":"http://127.0.0.1:1"}`)
	write(t, filepath.Join(orchestrator, "daemon.log"), "the daemon's own word, and oct_ours\n")
	write(t, filepath.Join(orchestrator, "config.yaml"), "stopGrace: 90s # for the PDFs\n")
	quoted, err := json.Marshal(fromEnv)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Join([]string{
		"2026-11-22T00:00:00.000Z out it is up, and this line helps", "2026-11-22T00:00:00.000Z err bad token wkt_the-token-of-w1 " + fromEnv,
		"2026-11-22T00:00:00.000Z out " + string(quoted), "2026-11-22T00:00:00.000Z out code enr_nobody-knew-of-it", "2026-11-22T00:00:00.000Z out password=hunter2hunter2",
		"2026-11-22T00:00:00.000Z out http://me:proxypass1@proxy:3128", "2026-11-22T00:00:00.000Z out a-pool-secret-value hos_of-the-host-1234 oct_ours",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhki\n-----END RSA PRIVATE KEY-----", "",
	}, "\n")
	write(t, filepath.Join(tm.home, "logs", "w1.log"), strings.Repeat("2026-11-22T00:00:00.000Z out filler\n", 20_000)+lines)

	path := filepath.Join(t.TempDir(), "bundle.tar.gz")
	r := tm.run(t, "support-bundle", "--output", path, "--offline")
	r.want(t, 0, "logs/w1.log", "status.json", "Wrote "+path)
	files := unpack(t, path)
	all := r.out + r.err
	for name, text := range files {
		all += name + "\n" + text
	}
	for _, secret := range append(secrets, string(quoted[1:len(quoted)-1])) {
		if strings.Contains(all, secret) {
			t.Errorf("%s is in the bundle", secret)
		}
	}
	for name, helps := range map[string]string{
		"bundle/logs/w1.log": "this line helps", "bundle/status.json": `"state": "running"`, "bundle/workers.json": `"box"`,
		"bundle/operations.json": "op_1", "bundle/metrics.txt": "pipedai_worker_up", "bundle/daemon/daemon.log": "own word", "bundle/config.json": `"90s"`, "bundle/files/config.yaml": "# for the PDFs",
		"bundle/info.json": tm.home, "bundle/files/daemon.json": "4711", "bundle/events.json.missing.txt": "Not found",
	} {
		if !strings.Contains(files[name], helps) {
			t.Errorf("%s lacks %q: %.300s", name, helps, files[name])
		}
	}
	if n := len(files["bundle/logs/w1.log"]); n > bundleTail {
		t.Errorf("%d bytes of a log", n)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	tm.run(t, "support-bundle", "--output", path, "--offline").want(t, 1, "exists", "--output")

	var report bundleReport
	r = tm.run(t, "support-bundle", "--dry-run", "--offline", "--json", "--output", path+".2")
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.Files) != len(files) || report.Path != "" {
		t.Errorf("%s, %v", r.out, err)
	}
	if _, err := os.Stat(path + ".2"); !errors.Is(err, os.ErrNotExist) {
		t.Error("a dry run wrote a file")
	}
	// Without a daemon there is what there is.
	newTerminal(t).run(t, "support-bundle", "--dry-run").want(t, 0, "status.json", "workers.json.missing.txt", "Nothing was written")
}

func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for packed := tar.NewReader(zipped); ; {
		header, err := packed.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(packed)
		if err != nil {
			t.Fatal(err)
		}
		out[header.Name] = string(data)
	}
}
