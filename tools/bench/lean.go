package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// leanConn is one keep-alive connection that speaks as much HTTP/1.1 as a POST
// with a small answer needs. It measures the server and not the client: a
// request costs about half of what net/http's client needs for it.
type leanConn struct {
	address string
	token   string
	conn    net.Conn
	r       *bufio.Reader
	out     []byte
	answer  []byte
}

const leanTimeout = 30 * time.Second

func newLean(address, token string) *leanConn { return &leanConn{address: address, token: token} }

// post sends body and returns status and answer, which is valid until the next
// call. A connection that the server closed while it was idle is dialled anew;
// any other failure is the caller's.
func (l *leanConn) post(path string, body []byte) (int, []byte, error) {
	if l.conn == nil {
		conn, err := net.DialTimeout("tcp", l.address, leanTimeout)
		if err != nil {
			return 0, nil, err
		}
		l.conn, l.r = conn, bufio.NewReaderSize(conn, 4096)
	}
	l.out = append(l.out[:0], "POST "...)
	l.out = append(l.out, path...)
	l.out = append(l.out, " HTTP/1.1\r\nHost: "...)
	l.out = append(l.out, l.address...)
	if l.token != "" {
		l.out = append(l.out, "\r\nAuthorization: Bearer "...)
		l.out = append(l.out, l.token...)
	}
	l.out = append(l.out, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	l.out = strconv.AppendInt(l.out, int64(len(body)), 10)
	l.out = append(l.out, "\r\n\r\n"...)
	l.out = append(l.out, body...)
	_ = l.conn.SetDeadline(time.Now().Add(leanTimeout))
	if _, err := l.conn.Write(l.out); err != nil {
		l.close()
		return 0, nil, err
	}
	status, answer, err := l.read()
	if err != nil {
		l.close()
	}
	return status, answer, err
}

func (l *leanConn) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

func (l *leanConn) read() (status int, answer []byte, err error) {
	line, err := l.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, nil, fmt.Errorf("not an HTTP answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	h, err := readHead(l.r)
	if err != nil {
		return 0, nil, err
	}
	if l.answer, err = h.body(l.r, l.answer[:0]); err != nil {
		return 0, nil, err
	}
	if h.closes {
		l.close()
	}
	return status, l.answer, nil
}

// head is what the header fields of a message say about its end.
type head struct {
	length  int
	chunked bool
	closes  bool
}

func readHead(r *bufio.Reader) (head, error) {
	h := head{}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		name, value, found := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if !found {
			return h, nil // the empty line
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.Atoi(string(value)); err != nil {
				return h, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			h.closes = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// body appends the body of a message to into.
func (h head) body(r *bufio.Reader, into []byte) ([]byte, error) {
	if !h.chunked {
		return appendN(r, into, h.length)
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return into, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return into, err
		}
		if into, err = appendN(r, into, int(size)); err != nil {
			return into, err
		}
		if line, err = r.ReadSlice('\n'); err != nil || len(bytes.TrimSpace(line)) > 0 {
			return into, errors.Join(errors.New("a chunk does not end where it should"), err)
		}
		if size == 0 {
			return into, nil
		}
	}
}

func appendN(r io.Reader, into []byte, n int) ([]byte, error) {
	start := len(into)
	if cap(into)-start < n {
		into = append(make([]byte, 0, start+n), into...)
	}
	into = into[:start+n]
	_, err := io.ReadFull(r, into[start:])
	return into, err
}
