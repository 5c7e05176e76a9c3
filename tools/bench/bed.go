package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"pipedai/api"
	"pipedai/internal/pgserver"
)

// The stores that are measured.
const (
	postgres = "postgres"
	sqlite   = "sqlite"
)

// ground is what all measurements share: the PostgreSQL server, with a
// prepared database to copy, and a folder.
type ground struct {
	o    options
	dir  string
	pg   *pgserver.Server
	made int
	log  io.Writer

	history map[string]bool // stores with a prepared history
}

const template = "bench_template"

func newGround(ctx context.Context, o options, log io.Writer) (_ *ground, err error) {
	g := &ground{o: o, log: io.Discard, history: map[string]bool{}}
	if o.keep {
		g.log = log
	}
	if g.dir, err = os.MkdirTemp(o.dir, "pipeweave-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if o.measuresAny(postgres) {
		return g, g.startPostgres(ctx)
	}
	return g, nil
}

// startPostgres starts a server that is set up as the distribution has it:
// nothing is tuned, and commits reach the disk.
func (g *ground) startPostgres(ctx context.Context) (err error) {
	if g.pg, err = pgserver.Start(pgserver.Options{Durable: true}); err != nil {
		return err
	}
	if err := g.pg.Exec(ctx, "create database "+template); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, g.o.program, "db", "init", "--url", g.pg.URL(template))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s db init: %w\n%s", g.o.program, err, out)
	}
	return nil
}

func (g *ground) close() {
	if g.pg != nil {
		g.pg.Stop()
	}
	_ = os.RemoveAll(g.dir)
}

// bed is what one measurement runs on: an empty database and replicas of the
// engine over it, not started yet.
type bed struct {
	g        *ground
	store    string
	dir      string
	database string // name in the PostgreSQL server
	replicas []*replica
	service  *child
	worker   *child
	token    string // of the enrolled worker
}

func (g *ground) newBed(ctx context.Context, store string, replicas int) (*bed, error) {
	g.made++
	b := &bed{g: g, store: store, dir: filepath.Join(g.dir, fmt.Sprint("bed", g.made))}
	url := ""
	if store == postgres {
		b.database = fmt.Sprint("bench_", g.made)
		if err := g.pg.Exec(ctx, "create database "+b.database+" template "+template); err != nil {
			return nil, err
		}
		url = g.pg.URL(b.database)
	}
	for i := range replicas {
		r, err := newReplica(g.o, filepath.Join(b.dir, fmt.Sprint("home", i)), filepath.Join(b.dir, "objects"), url, g.log)
		if err != nil {
			return nil, err
		}
		b.replicas = append(b.replicas, r)
	}
	return b, nil
}

// close ends everything and drops the database.
func (b *bed) close() {
	for _, r := range b.replicas {
		r.kill()
	}
	for _, c := range []*child{b.worker, b.service} {
		if c != nil {
			c.stop()
		}
	}
	if b.database != "" {
		_ = b.g.pg.Exec(context.Background(), "drop database "+b.database+" with (force)") // the server goes soon
	}
	_ = os.RemoveAll(b.dir)
}

func (b *bed) engine() *replica { return b.replicas[0] }

// connect opens a connection to the database of a bed on PostgreSQL.
func (b *bed) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, b.g.pg.DSN(b.database))
}

// accept starts the engine without its loops, so that work can be laid in
// before any of it is done.
func (b *bed) accept(ctx context.Context) error {
	return b.engine().start(ctx, "--mode", "serverless", "--max-concurrency", "1")
}

// begin starts the replicas, loops and all. An engine that was started with
// accept is stopped before.
func (b *bed) begin(ctx context.Context, concurrency int) error {
	b.engine().stop()
	for _, r := range b.replicas {
		if err := r.start(ctx, "--max-concurrency", fmt.Sprint(concurrency)); err != nil {
			return err
		}
	}
	return nil
}

// push starts the push service and registers tasks for it under its name, which is the
// name of the pipeline they make as well.
func (b *bed) push(ctx context.Context, service string, tasks ...api.TaskRegistration) (err error) {
	if b.service == nil {
		engines := ""
		for _, r := range b.replicas {
			engines += r.address() + ","
		}
		if b.service, err = startChild(ctx, "push-service", "-engines", engines, "-senders", fmt.Sprint(b.g.o.senders)); err != nil {
			return err
		}
	}
	_, err = b.engine().client("").Register(ctx, api.RegisterRequest{
		ServiceID: service, Version: "1.0.0", BaseURL: "http://" + b.service.address, Tasks: tasks,
		Capabilities: []string{api.CapabilityInlineInput},
	})
	return err
}

// pull enrols a worker and registers tasks for it. The worker itself starts
// with work.
func (b *bed) pull(ctx context.Context, service string, tasks ...api.TaskRegistration) error {
	admin, err := b.engine().adminToken()
	if err != nil {
		return err
	}
	code, err := b.engine().client(admin).IssueCode(ctx, api.IssueCodeRequest{ExpiresInSec: 600})
	if err != nil {
		return err
	}
	host, err := b.engine().client("").Redeem(ctx, api.RedeemRequest{Code: code.Code, Hostname: "bench", OS: "linux", Version: "1.0.0"})
	if err != nil {
		return err
	}
	b.token = host.WorkerToken
	_, err = b.engine().client(b.token).RegisterSelf(ctx, api.RegisterRequest{
		ServiceID: service, Version: "1.0.0", Tasks: tasks, Capabilities: []string{api.CapabilityInlineInput},
	})
	return err
}

// work starts the pull worker.
func (b *bed) work(ctx context.Context, service string, expect int) (err error) {
	b.worker, err = startChild(ctx, "pull-worker", "-url", "http://"+b.engine().address(), "-token", b.token, "-service", service,
		"-claim", fmt.Sprint(b.g.o.claim), "-claimers", fmt.Sprint(b.g.o.claimers), "-expect", fmt.Sprint(expect))
	return err
}

// task is a registration without retries: what fails here is a fault.
func task(id string, next ...string) api.TaskRegistration {
	none := 0.0
	return api.TaskRegistration{ID: id, CodeHash: "0123456789abcdef", AllowedNext: append([]string{}, next...), Retries: &none}
}
