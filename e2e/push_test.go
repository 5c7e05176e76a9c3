package e2e

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// olderWorker speaks the protocol as the workers in the field do, written from
// its description and sharing no code with this repository: it serves HTTP on
// localhost, answers 202 before it works, reads the older token format, lays
// its objects out its own way, and reports once.
type olderWorker struct {
	t       *testing.T
	engine  string
	address string
	seen    chan map[string]any // dispatches, as they came
	work    func(task string, input any, upstream map[string]any) (output any, next []string)
}

func newOlderWorker(t *testing.T, engine string) *olderWorker {
	t.Helper()
	w := &olderWorker{t: t, engine: engine, seen: make(chan map[string]any, 16)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tasks/{task}", func(rw http.ResponseWriter, r *http.Request) {
		var dispatch map[string]any
		if err := json.NewDecoder(r.Body).Decode(&dispatch); err != nil {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.seen <- dispatch
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(rw, `{"acknowledged":true,"runId":%q}`, dispatch["runId"])
		go w.execute(r.PathValue("task"), dispatch)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Shutdown(context.Background()) })
	return w
}

// register announces tasks with every default filled in, as those workers do.
func (w *olderWorker) register(service string, next map[string][]string) {
	w.t.Helper()
	var tasks []map[string]any
	for id, allowed := range next {
		tasks = append(tasks, map[string]any{
			"id": id, "codeHash": "0123456789abcdef", "allowedNext": allowed, "timeout": 300, "retries": 3,
			"retryBackoff": "exponential", "retryDelayMs": 1000, "maxRetryDelayMs": 86400000,
			"heartbeatIntervalMs": 60000, "concurrency": 0, "priority": 100, "idempotencyTTL": 86400,
		})
	}
	var answer struct {
		Success     bool              `json:"success"`
		CodeChanges []json.RawMessage `json:"codeChanges"`
	}
	status, body := request(w.t, http.MethodPost, w.engine+"/api/register", "", map[string]any{
		"serviceId": service, "version": "0.1.0", "baseUrl": w.address, "tasks": tasks,
	}, &answer)
	if status != http.StatusOK || !answer.Success || answer.CodeChanges == nil {
		w.t.Fatalf("register: status %d: %s", status, body)
	}
}

func (w *olderWorker) execute(task string, dispatch map[string]any) {
	id, _ := dispatch["runId"].(string)
	report := w.attempt(task, id, dispatch)
	data, err := json.Marshal(report)
	if err != nil {
		w.t.Error(err)
		return
	}
	resp, err := http.Post(w.engine+"/api/callback/"+id, "application/json", bytes.NewReader(data))
	if err != nil {
		w.t.Error(err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Errorf("callback of %s: status %d", id, resp.StatusCode)
	}
}

func (w *olderWorker) attempt(task, id string, dispatch map[string]any) map[string]any {
	failed := func(err error) map[string]any {
		return map[string]any{"status": "failed", "error": "Error: " + err.Error()}
	}
	token, _ := dispatch["storageToken"].(string)
	base, err := openOlderToken(token)
	if err != nil {
		return map[string]any{"status": "failed", "error": "Failed to decrypt storage token", "errorCode": "INVALID_TOKEN"}
	}
	read := func(path any) (out any, err error) {
		name, _ := path.(string)
		data, err := os.ReadFile(filepath.Join(base, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		return out, json.Unmarshal(data, &out)
	}
	write := func(name string, data []byte) error {
		full := filepath.Join(base, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		return os.WriteFile(full, data, 0o644)
	}

	input, err := read(dispatch["inputPath"])
	if err != nil {
		return failed(err)
	}
	upstream := map[string]any{}
	refs, present := dispatch["upstreamRefs"].(map[string]any)
	if !present {
		return failed(fmt.Errorf("cannot convert undefined or null to object"))
	}
	for name, ref := range refs {
		fields, _ := ref.(map[string]any)
		if upstream[name], err = read(fields["outputPath"]); err != nil {
			return failed(err)
		}
	}

	output, next := w.work(task, input, upstream)
	data, err := json.MarshalIndent(output, "", "  ")
	if err != nil {
		return failed(err)
	}
	out, logs := "runs/"+id+"/output.json", "runs/"+id+"/logs.jsonl"
	if err := write(out, data); err != nil {
		return failed(err)
	}
	if err := write(logs, nil); err != nil {
		return failed(err)
	}
	report := map[string]any{"status": "success", "outputPath": out, "outputSize": len(data), "assets": map[string]any{}, "logsPath": logs}
	if next != nil {
		report["selectedNext"] = next
	}
	return report
}

// openOlderToken reads iv:tag:ciphertext and returns the folder of the local
// backend. The key is the secret's characters, repeated or cut to 32.
func openOlderToken(token string) (string, error) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return "", fmt.Errorf("a token has three parts, this one %d", len(parts))
	}
	var raw [3][]byte
	for i, part := range parts {
		var err error
		if raw[i], err = base64.StdEncoding.DecodeString(part); err != nil {
			return "", err
		}
	}
	key := make([]byte, 32)
	for i := range key {
		key[i] = secretKey[i%len(secretKey)]
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	plain, err := gcm.Open(nil, raw[0], append(raw[2], raw[1]...), nil)
	if err != nil {
		return "", err
	}
	var config struct {
		Provider    string            `json:"provider"`
		Credentials map[string]string `json:"credentials"`
	}
	if err := json.Unmarshal(plain, &config); err != nil {
		return "", err
	}
	base := config.Credentials["basePath"]
	if config.Provider != "local" || !filepath.IsAbs(base) {
		return "", fmt.Errorf("want an absolute folder of a local backend, got %s %q", config.Provider, base)
	}
	return base, nil
}

func TestPush_OlderWorker(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	w := newOlderWorker(t, p.url(""))
	w.work = func(task string, input any, upstream map[string]any) (any, []string) {
		switch task {
		case "greet":
			return map[string]any{"text": fmt.Sprint("hello ", input.(map[string]any)["name"])}, []string{"shout"}
		default:
			text, _ := upstream["greet"].(map[string]any)["text"].(string)
			return strings.ToUpper(text), nil
		}
	}
	w.register("older", map[string][]string{"greet": {"shout", "whisper"}, "shout": {}, "whisper": {}})

	tasks := p.completed(t, p.trigger(t, "older", map[string]any{"name": "world"}))
	if len(tasks) != 2 {
		t.Errorf("the run has %d tasks, want greet and shout, not the branch that was not selected", len(tasks))
	}
	var text string
	p.output(t, tasks["shout"], &text)
	if text != "HELLO WORLD" {
		t.Errorf("the output is %q, want HELLO WORLD", text)
	}

	// What those workers cannot do without.
	first := <-w.seen
	for _, member := range []string{"runId", "taskId", "attempt", "codeVersion", "codeHash", "storageToken", "inputPath", "upstreamRefs", "previousAttempts"} {
		if first[member] == nil {
			t.Errorf("the dispatch lacks %s", member)
		}
	}
}

// A worker that answers 404 for a while (it is being replaced) is tried again.
func TestPush_WorkerComesBack(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	w := newOlderWorker(t, p.url(""))
	w.work = func(string, any, map[string]any) (any, []string) { return "done", nil }
	real := w.address
	w.address = fmt.Sprintf("http://localhost:%d", freePort(t))
	w.register("older", map[string][]string{"only": {}})
	run := p.trigger(t, "older", nil)
	eventually(t, "the first attempt to fail", func() bool {
		tasks := p.run(t, run).Tasks
		return len(tasks) == 1 && tasks[0].Attempt > 1
	})
	w.address = real
	w.register("older", map[string][]string{"only": {}})
	tasks := p.completed(t, run)
	if n := len(tasks["only"].PreviousAttempts); n < 1 {
		t.Errorf("the task run remembers %d failed attempts, want at least 1", n)
	}
}
