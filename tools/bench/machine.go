package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// What the machine can do at most, measured beside the engine in every
// repetition. A figure means something only next to these.

// limits by name; a missing one was not measured.
type limits map[string]float64

const (
	limitPost     = "POST/s, lean client"
	limitNetHTTP  = "POST/s, net/http client"
	limitCommits  = "single-row commits/s, 8 connections"
	limitClaims   = "rows/s claimed by 100, SKIP LOCKED"
	limitCopy     = "rows/s by COPY into the same tables"
	limitLease    = "rest of the lease in s"
	limitUnbound  = "rate without the limit"
	limitBaseline = "rate without the snapshot"
	limitEmpty    = "ms on the empty database"
)

func (g *ground) measureLimits(ctx context.Context) (limits, error) {
	out := limits{}
	length := g.o.window / 4
	if err := postLimits(ctx, length, out); err != nil {
		return nil, fmt.Errorf("loopback POSTs: %w", err)
	}
	if g.pg == nil {
		return out, nil
	}
	if err := g.databaseLimits(ctx, length, out); err != nil {
		return nil, fmt.Errorf("database limits: %w", err)
	}
	return out, nil
}

func postLimits(ctx context.Context, length time.Duration, out limits) error {
	echo, err := startChild(ctx, "echo")
	if err != nil {
		return err
	}
	defer echo.stop()
	body := append(append([]byte(`{"fill":"`), bytes.Repeat([]byte("x"), 256-11)...), `"}`...)
	begun := time.Now()
	n, err := lean(ctx, echo.address, "/tasks/noop", body, math.MaxInt, 64, length)
	if err != nil {
		return err
	}
	out[limitPost] = float64(n) / time.Since(begun).Seconds()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	var done atomic.Int64
	begun = time.Now()
	err = together(64, func(int) error {
		for time.Since(begun) < length && ctx.Err() == nil {
			resp, err := client.Post("http://"+echo.address+"/tasks/noop", "application/json", bytes.NewReader(body))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				return err
			}
			done.Add(1)
		}
		return ctx.Err()
	})
	out[limitNetHTTP] = float64(done.Load()) / time.Since(begun).Seconds()
	return err
}

func (g *ground) databaseLimits(ctx context.Context, length time.Duration, out limits) error {
	const name = "bench_limits"
	if err := g.pg.Exec(ctx, "create database "+name); err != nil {
		return err
	}
	defer func() { _ = g.pg.Exec(context.Background(), "drop database "+name+" with (force)") }()
	conn, err := pgx.Connect(ctx, g.pg.DSN(name))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, `create table note (id bigserial primary key, data jsonb not null);
		create table narrow (priority int not null, seq bigint not null, run text not null, primary key (priority, seq))`); err != nil {
		return err
	}

	begun := time.Now()
	commits, err := g.loop(ctx, name, 8, length, func(conn *pgx.Conn) (int, error) {
		_, err := conn.Exec(ctx, `insert into note (data) values ($1)`, `{"n": 1}`)
		return 1, err
	})
	if err != nil {
		return err
	}
	out[limitCommits] = float64(commits) / time.Since(begun).Seconds()

	if _, err := conn.Exec(ctx, `insert into narrow select 100, n, 'run_' || n from generate_series(1, $1::int) n`, g.o.amount(400_000)); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `vacuum analyze narrow`); err != nil {
		return err
	}
	begun = time.Now()
	claimed, err := g.loop(ctx, name, 2, length, func(conn *pgx.Conn) (int, error) {
		tag, err := conn.Exec(ctx, `delete from narrow where ctid = any(array(
			select ctid from narrow order by priority, seq limit 100 for update skip locked))`)
		return int(tag.RowsAffected()), err
	})
	out[limitClaims] = float64(claimed) / time.Since(begun).Seconds()
	return err
}

// loop repeats a statement on a number of connections until the time is up or
// it says 0, and returns the sum of what it said.
func (g *ground) loop(ctx context.Context, database string, connections int, length time.Duration, f func(*pgx.Conn) (int, error)) (int64, error) {
	var sum atomic.Int64
	deadline := time.Now().Add(length)
	err := together(connections, func(int) error {
		conn, err := pgx.Connect(ctx, g.pg.DSN(database))
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		for time.Now().Before(deadline) {
			n, err := f(conn)
			if err != nil || n == 0 {
				return err
			}
			sum.Add(int64(n))
		}
		return nil
	})
	return sum.Load(), err
}

// calibrate is how often a second one processor does a fixed piece of work.
// Before and after a run it should be the same.
func calibrate() float64 {
	block := make([]byte, 1<<20)
	best := 0.0
	for range 5 {
		begun := time.Now()
		for range 20 {
			sum := sha256.Sum256(block)
			block[0] = sum[0]
		}
		best = max(best, 20/time.Since(begun).Seconds())
	}
	return best
}
