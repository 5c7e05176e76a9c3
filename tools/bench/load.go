package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// batchSize is how many tasks one request enqueues.
const batchSize = 10_000

// enqueue queues n runs of a task with as many requests under way as senders
// says, and returns how many it queued before the time was up.
func enqueue(ctx context.Context, r *replica, task string, n, senders int, within time.Duration) (int, error) {
	var left, done atomic.Int64
	left.Store(int64(n))
	deadline := time.Now().Add(within)
	send := func() error {
		for time.Now().Before(deadline) && ctx.Err() == nil {
			rest := left.Add(-batchSize) + batchSize
			if rest <= 0 {
				return nil
			}
			size := int(min(rest, batchSize))
			if err := postBatch(ctx, r, task, size); err != nil {
				return err
			}
			done.Add(int64(size))
		}
		return ctx.Err()
	}
	err := together(senders, func(int) error { return send() })
	return int(done.Load()), err
}

func postBatch(ctx context.Context, r *replica, task string, n int) error {
	body := bytes.NewBufferString(`{"tasks":[`)
	for i := range n {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(body, `{"taskId":%q,"input":{"n":%d}}`, task, i)
	}
	body.WriteString("]}")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.address()+"/api/queue/batch", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // part of the sentence below
		return fmt.Errorf("enqueue: status %d: %s", resp.StatusCode, text)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// trigger starts n runs of a pipeline with a number of clients, each on a
// connection of its own, and returns how many it started before the time was
// up.
func trigger(ctx context.Context, r *replica, pipeline string, n, clients int, within time.Duration) (int, error) {
	body := []byte(`{"input":{"n":1}}`)
	return lean(ctx, r.address(), "/api/pipelines/"+pipeline+"/trigger", body, n, clients, within)
}

// lean posts the same body n times over a number of lean connections, and
// returns how many were answered with 200 before the time was up.
func lean(ctx context.Context, address, path string, body []byte, n, clients int, within time.Duration) (int, error) {
	var left, done atomic.Int64
	left.Store(int64(n))
	deadline := time.Now().Add(within)
	err := together(clients, func(int) error {
		conn := newLean(address, "")
		defer conn.close()
		for left.Add(-1) >= 0 && ctx.Err() == nil {
			status, answer, err := conn.post(path, body)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%s: status %d: %s", path, status, answer)
			}
			if err != nil {
				return err
			}
			if time.Now().After(deadline) {
				return nil
			}
			done.Add(1)
		}
		return ctx.Err()
	})
	return int(done.Load()), err
}

// together runs f n times at once.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}
