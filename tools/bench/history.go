package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/internal/sqlitefile"
)

// measureHistory claims from an empty database and from one with millions of
// finished rows, in turns, so that whatever else happens meets both.
func measureHistory(ctx context.Context, m *measuring) error {
	if err := m.g.makeHistory(ctx, m.store); err != nil {
		return fmt.Errorf("lay in %d finished rows: %w", m.o.history, err)
	}
	const claims, size = 100, 100
	var sides [2]claimSide
	for i := range sides {
		side := &sides[i]
		b, err := m.g.newBed(ctx, m.store, 1)
		if err != nil {
			return err
		}
		defer b.close()
		if i == 1 {
			if err := b.useHistory(ctx); err != nil {
				return err
			}
		}
		if err := b.begin(ctx, 10*size); err != nil {
			return err
		}
		if err := b.pull(ctx, "noop", task("noop")); err != nil {
			return err
		}
		if _, err := enqueue(ctx, b.engine(), "noop", (claims+20)*size, 1, fillTime); err != nil {
			return err
		}
		side.worker = newPullWorker("http://"+b.engine().address(), b.token, "noop", size, io.Discard)
	}
	for i := range claims + 10 {
		for j := range sides {
			if err := sides[j].once(ctx, i >= 10); err != nil {
				return err
			}
		}
	}
	empty, full := quantile(sides[0].took, 0.5), quantile(sides[1].took, 0.5)
	m.add(sample{"history", milliseconds(full), milliseconds(empty)})
	return nil
}

// claimSide is one of the two databases.
type claimSide struct {
	worker *pullWorker
	took   []time.Duration
	answer []byte
}

// once claims, notes the time when it counts, and reports what it claimed.
func (s *claimSide) once(ctx context.Context, counts bool) (err error) {
	begun := time.Now()
	var ids []string
	if s.answer, ids, err = s.worker.take(ctx, s.answer[:0], nil); err != nil {
		return err
	}
	if counts {
		s.took = append(s.took, time.Since(begun))
	}
	if len(ids) == 0 {
		return errors.New("nothing was left to claim")
	}
	return s.worker.report(ctx, ids)
}

const historyTemplate = "bench_history"

// makeHistory prepares a database with finished rows of the task noop, once.
func (g *ground) makeHistory(ctx context.Context, store string) error {
	if g.history[store] {
		return nil
	}
	if store == sqlite {
		if err := g.makeHistoryFile(ctx); err != nil {
			return err
		}
	} else if err := g.makeHistoryTemplate(ctx); err != nil {
		return err
	}
	g.history[store] = true
	return nil
}

func (g *ground) makeHistoryTemplate(ctx context.Context) error {
	if err := g.pg.Exec(ctx, "create database "+historyTemplate+" template "+template); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, g.pg.DSN(historyTemplate))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{
		`insert into services (id, base_url, version) values ('noop', '', '0')`,
		`insert into tasks (id, service_id, code_hash) values ('noop', 'noop', '0123456789abcdef')`,
		fmt.Sprintf(`insert into task_runs (id, task_id, status, max_retries, code_hash, code_version, input_path, output_path, output_size,
			created_at, started_at, completed_at)
			select 'trun_old' || n, 'noop', 'completed', 0, '0123456789abcdef', 1, 'inputs/old.json', 'runs/old/output.json', 2,
				at, at, at from (select n, now() - interval '1 day' + n * interval '1 millisecond' as at from generate_series(1, %d) n) r`, g.o.history),
		`vacuum analyze`,
		`checkpoint`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (g *ground) historyFile() string { return filepath.Join(g.dir, "history", "pipeweave.db") }

func (g *ground) makeHistoryFile(ctx context.Context) error {
	home := filepath.Dir(g.historyFile())
	r, err := newReplica(g.o, home, filepath.Join(g.dir, "history-objects"), "", g.log)
	if err != nil {
		return err
	}
	if err := r.start(ctx, "--mode", "serverless"); err != nil { // makes the schema
		return err
	}
	r.stop()
	db, err := sqlitefile.Open(ctx, g.historyFile(), sqlitefile.Options{Synchronous: "NORMAL"})
	if err != nil {
		return err
	}
	for _, sql := range []string{
		`insert into services (id, base_url, version) values ('noop', '', '0')`,
		`insert into tasks (id, service_id, code_hash) values ('noop', 'noop', '0123456789abcdef')`,
		fmt.Sprintf(`with recursive r (n, at) as (select 1, unixepoch() * 1000000 - 86400000000
				union all select n + 1, at + 1000 from r where n < %d)
			insert into task_runs (seq, id, task_id, status, max_retries, code_hash, code_version, input_path, output_path, output_size,
				created_at, started_at, completed_at)
			select n, 'trun_old' || n, 'noop', 'completed', 0, '0123456789abcdef', 1, 'inputs/old.json', 'runs/old/output.json', 2,
				at, at, at from r`, g.o.history),
		`pragma wal_checkpoint(truncate)`,
	} {
		if _, err := db.Writer.ExecContext(ctx, sql); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	return db.Close()
}

// useHistory puts the prepared database in the place of the empty one. The
// engine was not started yet.
func (b *bed) useHistory(ctx context.Context) error {
	if b.store == postgres {
		return errors.Join(b.g.pg.Exec(ctx, "drop database "+b.database),
			b.g.pg.Exec(ctx, "create database "+b.database+" template "+historyTemplate))
	}
	from, err := os.Open(b.g.historyFile())
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(b.engine().home, "pipeweave.db"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Sync(), to.Close())
}
