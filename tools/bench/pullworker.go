package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"

	"pipedai/api"
)

// pullWorker claims as many runs as it may and reports success for all of
// them, over and over.
type pullWorker struct {
	url, token, service string
	claim               int
	http                *http.Client
	tally               *tally
}

func newPullWorker(url, token, service string, claim int, out io.Writer) *pullWorker {
	return &pullWorker{
		url: url, token: token, service: service, claim: claim, tally: newTally(out),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}},
	}
}

func runPullWorker(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	w := newPullWorker("", "", "", 0, out)
	set := flag.NewFlagSet("pull-worker", flag.ContinueOnError)
	set.StringVar(&w.url, "url", "", "control plane")
	set.StringVar(&w.token, "token", "", "worker token")
	set.StringVar(&w.service, "service", "", "service to claim for")
	set.IntVar(&w.claim, "claim", 500, "runs per claim")
	claimers := set.Int("claimers", 3, "claims under way")
	set.IntVar(&w.tally.expect, "expect", 0, "say so when this many reports are acknowledged")
	if err := set.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	failed := make(chan error, *claimers)
	w.tally.ready("")
	for range *claimers {
		loops.Go(func() {
			if err := w.work(ctx); err != nil && ctx.Err() == nil {
				failed <- err
				cancel()
			}
		})
	}
	err := w.tally.listen(ctx, in)
	cancel()
	loops.Wait()
	select {
	case failure := <-failed:
		return failure
	default:
		return err
	}
}

func (w *pullWorker) work(ctx context.Context) error {
	var answer []byte
	var ids []string
	for ctx.Err() == nil {
		var err error
		if answer, ids, err = w.take(ctx, answer[:0], ids[:0]); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if len(ids) == 0 {
			continue
		}
		w.tally.received(len(ids))
		w.tally.reporting(len(ids))
		if err := w.report(ctx, ids); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

// take claims once and appends the answer and the ids of what it got to the
// slices it is given.
func (w *pullWorker) take(ctx context.Context, answer []byte, ids []string) ([]byte, []string, error) {
	body := fmt.Appendf(nil, `{"serviceId":%q,"max":%d,"waitMs":1000}`, w.service, w.claim)
	answer, err := w.post(ctx, "/api/v1/workers/self/claim", body, answer)
	if err != nil {
		return answer, ids, err
	}
	return answer, runIDs(answer, ids), nil
}

// post returns the answer appended to into; a status other than 200 is an
// error.
func (w *pullWorker) post(ctx context.Context, path string, body, into []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+path, bytes.NewReader(body))
	if err != nil {
		return into, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := w.http.Do(req)
	if err != nil {
		return into, err
	}
	defer resp.Body.Close()
	if resp.ContentLength > 0 && int64(cap(into)) < resp.ContentLength {
		into = make([]byte, 0, resp.ContentLength)
	}
	buf := bytes.NewBuffer(into)
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		return buf.Bytes(), err
	}
	if resp.StatusCode != http.StatusOK {
		var said api.Error
		_ = json.Unmarshal(buf.Bytes(), &said)
		return buf.Bytes(), &api.Error{Status: resp.StatusCode, Code: said.Code, Message: said.Message}
	}
	return buf.Bytes(), nil
}

// report tells the end of every run of a claim in one request.
func (w *pullWorker) report(ctx context.Context, ids []string) error {
	body := []byte(`{"callbacks":[`)
	for i, id := range ids {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"runId":%q,"callback":{"status":"success","outputPath":"runs/none/output.json","outputSize":2}}`, id)
	}
	answer, err := w.post(ctx, "/api/v1/workers/self/callbacks", append(body, "]}"...), nil)
	if err != nil {
		return err
	}
	if n := bytes.Count(answer, []byte(`"acknowledged":true`)); n != len(ids) {
		return fmt.Errorf("%d of %d reports were acknowledged: %.300s", n, len(ids), answer)
	}
	w.tally.reported(len(ids))
	return nil
}
