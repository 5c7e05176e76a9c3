package httpkit

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// packFrom is the size from which a JSON answer is worth packing. Smaller ones
// fit a few packets either way.
const packFrom = 16 << 10

// Compress packs JSON answers of some size for clients that take gzip; the
// tasks of a large run shrink to a twentieth. Everything else passes as it
// is: event streams, files, answers that are packed already. Credentials travel
// in a header that no foreign page can make a browser send, so the size of an
// answer tells nobody anything about a secret in it.
func Compress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead || !AcceptsGzip(r.Header.Values("Accept-Encoding")) {
			next.ServeHTTP(w, r)
			return
		}
		p := &packer{ResponseWriter: w}
		next.ServeHTTP(p, r)
		p.end() // not after a panic: half an answer must not look whole
	})
}

// packers are kept: a new one costs more than most answers.
var packers = sync.Pool{New: func() any {
	zip, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
	return zip
}}

// packer holds the header back until the first bytes tell what kind of answer
// it is.
type packer struct {
	http.ResponseWriter
	status int
	sent   bool
	zip    *gzip.Writer
}

func (p *packer) WriteHeader(status int) {
	switch {
	case p.sent || status < http.StatusOK: // a mistake that net/http logs, or one of several headers
		p.ResponseWriter.WriteHeader(status)
	case p.status == 0:
		p.status = status
	}
}

func (p *packer) Write(b []byte) (int, error) {
	p.begin(len(b))
	if p.zip != nil {
		return p.zip.Write(b)
	}
	return p.ResponseWriter.Write(b)
}

// ReadFrom keeps the way open on which files reach the network without a copy.
func (p *packer) ReadFrom(r io.Reader) (int64, error) {
	p.begin(0)
	return io.Copy(p.ResponseWriter, r)
}

// FlushError sends what is there, the header at least.
func (p *packer) FlushError() error {
	p.begin(0)
	if p.zip != nil {
		if err := p.zip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(p.ResponseWriter).Flush()
}

// Unwrap lets deadlines be set through it.
func (p *packer) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// begin sends the header, once; size is what is known of the body.
func (p *packer) begin(size int) {
	if p.sent {
		return
	}
	p.sent = true
	h := p.Header()
	if size >= packFrom && h.Get("Content-Type") == "application/json" && h.Get("Content-Encoding") == "" {
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
		h.Del("Content-Length")
		p.zip = packers.Get().(*gzip.Writer)
		p.zip.Reset(p.ResponseWriter)
	}
	if p.status != 0 {
		p.ResponseWriter.WriteHeader(p.status)
	}
}

func (p *packer) end() {
	if p.status != 0 {
		p.begin(0)
	}
	if p.zip != nil {
		_ = p.zip.Close() // the client is gone; there is nobody to tell
		packers.Put(p.zip)
		p.zip = nil
	}
}

// AcceptsGzip reads Accept-Encoding. A coding with q=0 is refused; an explicit
// gzip outweighs the wildcard.
func AcceptsGzip(values []string) bool {
	wildcard := false
	for _, value := range values {
		for coding := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(coding, ";")
			accepted := !refused(params)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip":
				return accepted
			case "*":
				wildcard = accepted
			}
		}
	}
	return wildcard
}

func refused(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(strings.TrimSpace(key), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err != nil || q <= 0
		}
	}
	return false
}
