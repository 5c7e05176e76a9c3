package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// runFanOut copies what comes from a pipe to every connection: what a feed
// costs at least.
func runFanOut(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("fan-out: name the pipe")
	}
	pipe, err := os.Open(args[0])
	if err != nil {
		return fmt.Errorf("fan-out: %w", err)
	}
	defer pipe.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("fan-out: %w", err)
	}
	defer listener.Close()
	var mu sync.Mutex
	var all []net.Conn
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, conn)
			mu.Unlock()
		}
	}()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := pipe.Read(buf)
			if err != nil {
				return
			}
			mu.Lock()
			for _, conn := range all {
				_, _ = conn.Write(buf[:n]) // who is gone is gone
			}
			mu.Unlock()
		}
	}()
	t := newTally(out)
	t.ready(listener.Addr().String())
	if err := t.listen(ctx, in); err != nil {
		return fmt.Errorf("fan-out: %w", err)
	}
	return nil
}
