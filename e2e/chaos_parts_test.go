package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/pgserver"
)

// newChaos starts the database, three replicas and the push service.
func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	server, err := pgserver.Start(pgserver.Options{})
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(server.Stop)
	c := &chaos{t: t, seed: seed, database: server, runs: map[string]int{}}
	home := t.TempDir()
	storage := fmt.Sprintf(`[{"id":"local","provider":"local","endpoint":"file://","bucket":"storage","credentials":{"basePath":%q}}]`, filepath.Join(home, "objects"))
	env := baseEnv(home, "PIPEWEAVE_SECRET_KEY="+secretKey, "DATABASE_URL="+server.URL("postgres"), "STORAGE_BACKENDS="+storage)
	must(t, append(env, "PIPEWEAVE_HOME="+filepath.Join(home, "init")), "pipeweave", "db", "init")
	var ports []int
	for i := range 3 {
		r := &chaosReplica{t: t, port: freePort(t), log: &buffer{}, ended: make(chan struct{}),
			env: append(slices.Clone(env), "PIPEWEAVE_HOME="+filepath.Join(home, fmt.Sprint("replica", i)))}
		c.replicas = append(c.replicas, r)
		ports = append(ports, r.port)
	}
	c.service = newChaosService(t, ports)
	ctx, stop := context.WithCancel(context.Background())
	for _, r := range c.replicas {
		go r.keep(ctx)
	}
	t.Cleanup(func() {
		stop()
		for _, r := range c.replicas {
			r.signal(syscall.SIGKILL, false)
			<-r.ended
		}
	})
	c.answering()
	return c
}

// answering waits until every replica has started.
func (c *chaos) answering() {
	c.t.Helper()
	for _, r := range c.replicas {
		eventually(c.t, "a replica to answer", func() bool {
			status, _ := request(c.t, http.MethodGet, at(r.port, "/health"), "", nil, nil)
			return status == http.StatusOK
		})
	}
}

// any is a client of some replica.
func (c *chaos) any(choice *rand.Rand, token string) *client.Client {
	return c.replicas[choice.IntN(len(c.replicas))].client(token)
}

// enroll gets the token of a pulling worker.
func (c *chaos) enroll() {
	c.t.Helper()
	home := c.replicas[0].env[len(c.replicas[0].env)-1]
	admin := (&plane{home: strings.TrimPrefix(home, "PIPEWEAVE_HOME=")}).token(c.t)
	code, err := c.replicas[0].client(admin).IssueCode(c.t.Context(), api.IssueCodeRequest{ExpiresInSec: 600})
	if err != nil {
		c.t.Fatalf("issue a code: %v", err)
	}
	host, err := c.replicas[0].client("").Redeem(c.t.Context(), api.RedeemRequest{Code: code.Code, Hostname: "box", OS: "linux", Version: "1.0.0"})
	if err != nil {
		c.t.Fatalf("redeem: %v", err)
	}
	c.token = host.WorkerToken
}

// killReplicas kills some replica every few hundred milliseconds.
func (c *chaos) killReplicas(ctx context.Context, choice *rand.Rand) {
	least := 200 * time.Millisecond
	if raceEnabled {
		least = 400 * time.Millisecond // it takes longer to start
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(least + time.Duration(choice.Int64N(int64(2*least)))):
		}
		c.replicas[choice.IntN(len(c.replicas))].signal(syscall.SIGKILL, true)
	}
}

// restartDatabase restarts the database, in turns in an orderly way and like a
// crash.
func (c *chaos) restartDatabase(ctx context.Context) {
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		how := []pgserver.Shutdown{pgserver.Fast, pgserver.Immediate}[i%2]
		if err := c.database.Restart(how); err != nil {
			c.t.Errorf("restart PostgreSQL: %v", err)
			return
		}
		c.service.note(func() { c.service.restarts++ })
	}
}

// chaosReplica is one `pipeweave serve` that is started again whenever it
// ends.
type chaosReplica struct {
	t     *testing.T
	port  int
	env   []string
	log   *buffer
	ended chan struct{} // the keeper is gone

	mu     sync.Mutex
	cmd    *exec.Cmd
	killed bool
	kills  int
}

func (r *chaosReplica) client(token string) *client.Client {
	return client.New(at(r.port, ""), client.Options{Token: client.Token(token)})
}

// keep runs the program until ctx ends. One that was up and ends without
// having been killed is a fault; one that finds no database at its start may
// end.
func (r *chaosReplica) keep(ctx context.Context) {
	defer close(r.ended)
	for ctx.Err() == nil {
		said := &buffer{}
		cmd := exec.Command(filepath.Join(bin, "pipeweave"), "serve", "--addr", fmt.Sprint("127.0.0.1:", r.port), "--max-concurrency", "64", "--log-level", "minimal")
		cmd.Env, cmd.Stdout, cmd.Stderr = r.env, said, r.log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		r.mu.Lock()
		r.cmd, r.killed = cmd, false
		err := cmd.Start()
		r.mu.Unlock()
		if err != nil {
			r.t.Errorf("start pipeweave serve: %v", err)
			return
		}
		_ = cmd.Wait() // judged below
		r.mu.Lock()
		killed := r.killed
		r.cmd = nil
		r.mu.Unlock()
		up := strings.Contains(said.String(), "Ctrl-C")
		if code := cmd.ProcessState.ExitCode(); !killed && ctx.Err() == nil && (up || code == 66) {
			r.t.Errorf("a replica ended by itself with exit code %d:\n%s", code, tail(r.log.String()))
		}
		if !killed {
			<-time.After(50 * time.Millisecond) // the database starts
		}
	}
}

func (r *chaosReplica) signal(sig syscall.Signal, counts bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil || r.cmd.Process == nil {
		return
	}
	r.killed = true
	if counts {
		r.kills++
	}
	_ = r.cmd.Process.Signal(sig)
}

// chaosService does the work of all services, pushed or pulled, and remembers
// all of it.
type chaosService struct {
	t        *testing.T
	url      string
	ports    []int
	restarts int

	mu       sync.Mutex
	tries    map[string]*chaosTry // by wire run id
	byTask   map[string][]string  // wire run ids by run and task
	now      int                  // executions of the limited task under way
	most     int                  // of them at once
	problems []string
}

// chaosTry is one attempt as a worker saw it.
type chaosTry struct {
	executed  int
	success   bool // what it reports
	unheard   bool // a report was answered by nobody, so it may count
	taken     bool // a report was acknowledged
	ignored   bool // a report was answered: too late
	begun     time.Time
	attempt   int
	delivered bool
}

func newChaosService(t *testing.T, ports []int) *chaosService {
	t.Helper()
	s := &chaosService{t: t, ports: ports, tries: map[string]*chaosTry{}, byTask: map[string][]string{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tasks/{task}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var d api.Dispatch
		if err != nil || json.Unmarshal(body, &d) != nil {
			w.WriteHeader(http.StatusBadRequest) // who sent half of it was killed
			return
		}
		working.Go(func() { s.execute(ctx, d, "") })
		w.WriteHeader(http.StatusAccepted)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		stop()
		_ = server.Close()
		working.Wait()
	})
	return s
}

func (s *chaosService) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// execute does one attempt and reports it until somebody answers.
func (s *chaosService) execute(ctx context.Context, d api.Dispatch, token string) {
	try := &chaosTry{begun: time.Now(), attempt: d.Attempt}
	report := api.CallbackRequest{Status: "success", OutputPath: "runs/" + d.RunID + "/output.json"}
	switch {
	case d.TaskID == "f1" && d.Attempt < 3:
		report = api.CallbackRequest{Status: "failed", Error: "not yet"}
	case d.TaskID == "x2":
		never := false
		report = api.CallbackRequest{Status: "failed", Error: "never", Retryable: &never}
	}
	try.success = report.Status == "success"
	s.note(func() {
		if again := s.tries[d.RunID]; again != nil {
			again.executed++
			s.problems = append(s.problems, fmt.Sprintf("attempts: attempt %s of %s was dispatched again after %s", d.RunID, d.TaskID, time.Since(again.begun)))
			try = again
		} else {
			try.executed = 1
			s.tries[d.RunID] = try
			task := d.PipelineRunID + "/" + d.TaskID
			s.byTask[task] = append(s.byTask[task], d.RunID)
		}
		if d.TaskID == "l1" {
			s.now++
			if s.most = max(s.most, s.now); s.now > limitOfLimited {
				s.problems = append(s.problems, fmt.Sprintf("limit: %d executions of l1 at once, at most %d are allowed", s.now, limitOfLimited))
			}
		}
	})
	if d.TaskID == "l1" {
		<-time.After(200 * time.Millisecond)
		s.note(func() { s.now-- })
	}
	s.report(ctx, d.RunID, token, report, try)
}

func (s *chaosService) report(ctx context.Context, id, token string, report api.CallbackRequest, try *chaosTry) {
	for i := rand.IntN(len(s.ports)); ctx.Err() == nil; i++ {
		c := client.New(at(s.ports[i%len(s.ports)], ""), client.Options{Token: client.Token(token)})
		answer, err := c.Callback(ctx, id, report)
		if err == nil {
			s.note(func() {
				try.delivered = true
				try.taken = try.taken || answer.Acknowledged
				try.ignored = try.ignored || answer.Ignored
			})
			return
		}
		var refused *api.Error
		if errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 {
			s.note(func() { s.problems = append(s.problems, fmt.Sprintf("refused: report of %s: %v", id, err)) })
			return
		}
		s.note(func() { try.unheard = true })
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// pull claims and executes runs of the service chain.
func (c *chaos) pull(ctx context.Context, choice *rand.Rand) {
	for ctx.Err() == nil {
		got, err := c.any(choice, c.token).Claim(ctx, api.ClaimRequest{ServiceID: "chain", Max: 10, WaitMs: 500})
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		var working sync.WaitGroup
		for _, d := range got.Runs {
			working.Go(func() { c.service.execute(ctx, d, c.token) })
		}
		working.Wait()
	}
}

func (s *chaosService) executions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, try := range s.tries {
		n += try.executed
	}
	return n
}

func (s *chaosService) found() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// disagrees holds a task run against the reports of its attempts.
func (s *chaosService) disagrees(run string, task api.TaskRun) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken, maybe := 0, 0
	for _, id := range s.byTask[run+"/"+task.TaskID] {
		switch try := s.tries[id]; {
		case try.success && try.taken:
			taken++
		case try.success && try.unheard:
			maybe++
		}
	}
	switch {
	case taken > 1:
		return fmt.Sprintf("%d attempts were acknowledged as its success", taken)
	case task.Status == "completed" && taken+maybe == 0:
		return "it is completed, and no worker completed it"
	case task.Status != "completed" && taken > 0:
		return fmt.Sprintf("it is %s, and a success was acknowledged", task.Status)
	}
	return ""
}

// story tells the attempts of a task as the worker saw them.
func (s *chaosService) story(run, task string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, id := range s.byTask[run+"/"+task] {
		try := s.tries[id]
		out = append(out, fmt.Sprintf("attempt %d at %s (success %v, taken %v, ignored %v, unheard %v)",
			try.attempt, try.begun.Format("15:04:05.000"), try.success, try.taken, try.ignored, try.unheard))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}
