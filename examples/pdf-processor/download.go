package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"pipedai/worker"
)

// maxPDF bounds a document.
const maxPDF = 64 << 20

// Downloaded is the output of download.
type Downloaded struct {
	Source string `json:"source"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Asset  string `json:"asset"`
}

func download(ctx *worker.Context, in Input) (Downloaded, error) {
	ctx.Progress(0, "fetching the document")
	body, source, err := open(ctx, in.PDFURL)
	if err != nil {
		return Downloaded{}, err
	}
	defer body.Close()

	// One byte more than allowed tells a document that is too long.
	head := &prefix{}
	hash := sha256.New()
	limited := io.LimitReader(body, maxPDF+1)
	path, err := ctx.AddAsset(assetDocument, worker.Binary, io.TeeReader(limited, io.MultiWriter(hash, head)))
	if err != nil {
		return Downloaded{}, worker.Retryable("DOWNLOAD_FAILED", "the document could not be read to its end: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return Downloaded{}, err
	}
	switch {
	case info.Size() > maxPDF:
		return Downloaded{}, worker.Fatal("TOO_LARGE", "the document is larger than %d MiB", maxPDF>>20)
	case !bytes.Contains(head.data, []byte("%PDF-")):
		return Downloaded{}, worker.Fatal("NOT_A_PDF", "%s is not a PDF", source)
	}
	out := Downloaded{Source: source, Size: info.Size(), SHA256: hex.EncodeToString(hash.Sum(nil)), Asset: assetDocument}
	ctx.Log().Info("document fetched", "source", source, "bytes", out.Size)

	if in.wantsTables() {
		ctx.Next(taskText, taskTables)
	} else {
		ctx.Next(taskText)
	}
	return out, nil
}

// open opens what a URL or path names, and says how to call it.
func open(ctx context.Context, address string) (io.ReadCloser, string, error) {
	if address == "" {
		return nil, "", worker.Fatal("INVALID_INPUT", `the input has no "pdfUrl"`)
	}
	if filepath.IsAbs(address) {
		return openFile(address)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", worker.Fatal("INVALID_INPUT", "pdfUrl is not a URL: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
		return fetch(ctx, u)
	case "file":
		if u.Host != "" && u.Host != "localhost" {
			return nil, "", worker.Fatal("INVALID_INPUT", "pdfUrl names a file on another machine (%s)", u.Host)
		}
		return openFile(filepath.FromSlash(u.Path))
	case "":
		return nil, "", worker.Fatal("INVALID_INPUT", "pdfUrl %q is neither a URL nor an absolute path", address)
	default:
		return nil, "", worker.Fatal("INVALID_INPUT", "pdfUrl has the scheme %q; use http, https or file", u.Scheme)
	}
}

func openFile(path string) (io.ReadCloser, string, error) {
	file, err := os.Open(path)
	if err != nil {
		var problem *os.PathError
		if errors.As(err, &problem) {
			err = problem.Err
		}
		return nil, "", worker.Fatal("NOT_FOUND", "%s cannot be opened on this machine: %w", path, err)
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, "", worker.Fatal("NOT_FOUND", "%s is not a file", path)
	}
	return file, filepath.Base(path), nil
}

// fetch requests a document. What the server refuses for good stays refused;
// anything else may be better the next time.
func fetch(ctx context.Context, u *url.URL) (io.ReadCloser, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, "", worker.Fatal("INVALID_INPUT", "pdfUrl is not a URL: %w", err)
	}
	req.Header.Set("Accept", "application/pdf")
	client := &http.Client{Timeout: 90 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", worker.Retryable("DOWNLOAD_FAILED", "%s does not answer: %w", u.Host, reason(err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, u.Redacted(), nil
	}
	_ = resp.Body.Close()
	failure := worker.Fatal("DOWNLOAD_REFUSED", "%s answered %s", u.Host, status(resp))
	switch code := resp.StatusCode; {
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		failure.Retryable = true
	}
	return nil, "", failure
}

func status(resp *http.Response) string {
	return fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}

// reason is a network error without the URL, which may hold a credential.
func reason(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// prefix keeps the first bytes: a PDF says so within its first kilobyte.
type prefix struct{ data []byte }

func (p *prefix) Write(b []byte) (int, error) {
	if room := 1024 - len(p.data); room > 0 {
		p.data = append(p.data, b[:min(room, len(b))]...)
	}
	return len(b), nil
}
