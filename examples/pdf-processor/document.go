package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ledongthuc/pdf"

	"pipedai/worker"
)

// maxPages bounds how much of a document is read.
const maxPages = 2000

// errBroken is wrapped by what the PDF reader trips over.
var errBroken = errors.New("the document is damaged")

// document is an open PDF. The reader behind it was written for well-formed
// files: on others it may panic or run for ever, so each use is guarded.
type document struct {
	file   *os.File
	reader *pdf.Reader
	pages  int
	title  string
}

// openDocument opens the document that download kept.
func openDocument(ctx *worker.Context) (*document, error) {
	path, err := ctx.AssetPath(assetDocument)
	if err != nil {
		return nil, err
	}
	d := &document{}
	err = guard(ctx, func() error {
		file, reader, err := pdf.Open(path)
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		d.file, d.reader, d.pages = file, reader, reader.NumPage()
		d.title = strings.Join(strings.Fields(reader.Trailer().Key("Info").Key("Title").Text()), " ")
		return nil
	})
	if err != nil {
		return nil, unreadable(err)
	}
	switch {
	case d.pages < 1:
		d.close()
		return nil, unreadable(fmt.Errorf("%w: it has no pages", errBroken))
	case d.pages > maxPages:
		d.close()
		return nil, worker.Fatal("TOO_LARGE", "the document has %d pages; at most %d are read", d.pages, maxPages)
	}
	return d, nil
}

func (d *document) close() { _ = d.file.Close() }

// eachPage calls do for every page, with progress.
func (d *document) eachPage(ctx *worker.Context, what string, do func(number int, page pdf.Page) error) error {
	for number := 1; number <= d.pages; number++ {
		err := guard(ctx, func() error { return do(number, d.reader.Page(number)) })
		if err != nil {
			return unreadable(fmt.Errorf("page %d: %w", number, err))
		}
		ctx.Progress(float64(number)*100/float64(d.pages), fmt.Sprintf("%s page %d of %d", what, number, d.pages))
	}
	return nil
}

// guard calls the PDF reader: a panic becomes an error, and the end of ctx is
// not waited out. The reader cannot be stopped; its goroutine is left behind
// then, and ends with the attempt's process.
func guard(ctx context.Context, use func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				done <- fmt.Errorf("%w: %v", errBroken, reason)
			}
		}()
		done <- use()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// unreadable says that trying a damaged document again will not help.
func unreadable(err error) error {
	if errors.Is(err, errBroken) {
		return worker.Fatal("UNREADABLE_PDF", "the PDF cannot be read: %w", err)
	}
	return err
}
