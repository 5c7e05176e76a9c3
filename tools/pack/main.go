// Command pack puts files into an archive, the same bytes from the same files
// whoever runs it: a zip when a program for Windows is among them, else a tar.gz.
//
//	pack -at UNIXTIME -o dist/NAME FILE...
//
// The first file is the program; it gets NAME and the ending of its form.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	at := flag.Int64("at", 0, "the time of every file in the archive, in seconds since 1970")
	out := flag.String("o", "", "the archive, without the ending of its form")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := pack(*out, time.Unix(*at, 0).UTC(), flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(name string, at time.Time, files []string) (err error) {
	write, ending := tarGz, ".tar.gz"
	if strings.HasSuffix(files[0], ".exe") {
		write, ending = zipped, ".zip"
	}
	out, err := os.Create(name + ending)
	if err != nil {
		return err
	}
	return errors.Join(write(out, at, files), out.Close())
}

// mode is what a file may be: the first one is the program.
func mode(i int) os.FileMode {
	if i == 0 {
		return 0o755
	}
	return 0o644
}

func tarGz(out io.Writer, at time.Time, files []string) error {
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(packed)
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: filepath.Base(file), Mode: int64(mode(i)), Size: int64(len(data)), ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), packed.Close())
}

func zipped(out io.Writer, at time.Time, files []string) error {
	w := zip.NewWriter(out)
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: filepath.Base(file), Method: zip.Deflate, Modified: at}
		h.SetMode(mode(i))
		f, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
	return w.Close()
}
