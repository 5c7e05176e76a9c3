package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// pushService takes every dispatch with 202 and reports success right after,
// as a service does that has nothing to compute.
type pushService struct {
	engines []string // addresses to report to
	tally   *tally
	queue   chan string // wire run ids to report
}

func runPushService(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	set := flag.NewFlagSet("push-service", flag.ContinueOnError)
	engines := set.String("engines", "", "host:port of the engines to report to")
	senders := set.Int("senders", 64, "connections to report over")
	if err := set.Parse(args); err != nil {
		return err
	}
	s := &pushService{engines: split(*engines), tally: newTally(out), queue: make(chan string, 1<<16)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	for i := range *senders {
		go s.report(ctx, i)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go s.serve(conn)
		}
	}()
	s.tally.ready(listener.Addr().String())
	return s.tally.listen(ctx, in)
}

const accepted = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"acknowledged\":true}"

// serve answers the dispatches of one connection.
func (s *pushService) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 8<<10)
	var body []byte
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return // the engine closed it
		}
		if !bytes.HasPrefix(line, []byte("POST ")) {
			_, _ = io.WriteString(conn, "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
		h, err := readHead(r)
		if err != nil {
			return
		}
		if body, err = h.body(r, body[:0]); err != nil {
			return
		}
		ids := runIDs(body, nil)
		if len(ids) == 0 {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
		if s.tally.received(1) {
			_, _ = io.Copy(io.Discard, conn) // until the engine gives up, or dies
			return
		}
		if _, err := io.WriteString(conn, accepted); err != nil {
			return
		}
		s.queue <- ids[0]
	}
}

// report delivers reports one after the other over one connection, to the next
// engine when one does not answer.
func (s *pushService) report(ctx context.Context, i int) {
	body := []byte(`{"status":"success","outputPath":"runs/none/output.json","outputSize":2}`)
	conn := newLean(s.engines[i%len(s.engines)], "")
	for {
		var id string
		select {
		case <-ctx.Done():
			return
		case id = <-s.queue:
		}
		s.tally.reporting(1)
		for {
			status, answer, err := conn.post("/api/callback/"+id, body)
			if err == nil && status < http.StatusInternalServerError { // else it starts, or its database does
				if status == http.StatusOK {
					s.tally.reported(1)
				} else {
					s.tally.refused(fmt.Sprintf("report of %s: status %d: %s", id, status, answer))
				}
				break
			}
			i++
			conn.close()
			conn.address = s.engines[i%len(s.engines)]
			select {
			case <-ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// runIDs appends the wire run ids of dispatches in a JSON text to into. It
// looks for the member alone: decoding would cost more than the engine.
func runIDs(body []byte, into []string) []string {
	const member = `"runId":"`
	for {
		i := bytes.Index(body, []byte(member))
		if i < 0 {
			return into
		}
		body = body[i+len(member):]
		end := bytes.IndexByte(body, '"')
		if end < 0 {
			return into
		}
		into = append(into, string(body[:end]))
		body = body[end:]
	}
}

// runEcho is the server that the POST ceiling is measured against: net/http's,
// as the engine has it, doing nothing; it answers with as many bytes as asked
// for.
func runEcho(ctx context.Context, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: leanTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if n, err := strconv.Atoi(r.URL.Query().Get("bytes")); err == nil {
			_, _ = w.Write(bytes.Repeat([]byte{'x'}, n))
			return
		}
		_, _ = io.WriteString(w, `{"acknowledged":true}`)
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	t := newTally(out)
	t.ready(listener.Addr().String())
	if err := t.listen(ctx, in); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	return nil
}
