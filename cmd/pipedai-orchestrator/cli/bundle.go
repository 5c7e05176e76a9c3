package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/daemon/osservice"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
)

type bundleOptions struct {
	output  string
	dryRun  bool
	offline bool
	json    bool
}

func newSupportBundleCmd(d *deps) *cobra.Command {
	o := bundleOptions{}
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Pack what somebody needs who helps, without secrets",
		Long: `Packs the status, workers, operations, events, connectivity, settings, metrics,
unit files and the ends of the logs of this host, the daemon's own too, into a
file (.tar.gz) that only you can read. Tokens and other secrets are taken out, by
value and by form. What goes in is listed; nothing is sent anywhere. Look at it
before you pass it on: logs hold what workers wrote.`,
		Example: `  pipedai-orchestrator support-bundle --dry-run
  pipedai-orchestrator support-bundle --output bundle.tar.gz`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBundle(cmd.Context(), d, o) },
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "file to write (default: pipedai-support-<host>-<time>.tar.gz here)")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "list what would go in, and write nothing")
	cmd.Flags().BoolVar(&o.offline, "offline", false, "do not check the network")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// bundleFile is one file of the bundle.
type bundleFile struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
	data  []byte
}

// bundleReport is what support-bundle --json prints.
type bundleReport struct {
	Path   string       `json:"path,omitempty"` // none with --dry-run
	DryRun bool         `json:"dryRun"`
	Files  []bundleFile `json:"files"`
}

func runBundle(ctx context.Context, d *deps, o bundleOptions) error {
	dir, err := d.dir()
	if err != nil {
		return err
	}
	b := &bundle{d: d, dir: dir, hide: newRedactor(dir, os.Environ())}
	b.collect(ctx, o)
	if err := ctx.Err(); err != nil {
		return err
	}
	report := bundleReport{DryRun: o.dryRun, Files: b.files}
	if !o.json {
		for _, f := range b.files {
			d.printf("%8d  %s\n", f.Bytes, f.Name)
		}
	}
	if !o.dryRun {
		if report.Path, err = b.write(o.output); err != nil {
			return cliutil.Fail(cliutil.ExitFailed, err, "choose another file with --output")
		}
	}
	switch {
	case o.json:
		return cliutil.JSON(d.streams.Out, report)
	case o.dryRun:
		d.printf("Nothing was written.\n")
	default:
		d.printf("Wrote %s. Look at it before you pass it on: tar -xzf %s\n", report.Path, report.Path)
	}
	return nil
}

// bundle gathers files. What cannot be had is in it as the reason why.
type bundle struct {
	d     *deps
	dir   hostdir.Dir
	hide  redactor
	files []bundleFile
}

const (
	// bundleTail is how much of the end of a log goes in.
	bundleTail = 256 << 10
	// journalLines is how much of the journal goes in.
	journalLines = 2000
	// bundleLogs bounds how many logs do.
	bundleLogs = 200
	// checkPatience bounds what looking at the network may take.
	checkPatience = 15 * time.Second
)

func (b *bundle) add(name string, data []byte) {
	clean := []byte(b.hide.text(string(data)))
	b.files = append(b.files, bundleFile{Name: name, Bytes: len(clean), data: clean})
}

func (b *bundle) addJSON(name string, v any, err error) {
	if err != nil {
		b.add(name+".missing.txt", []byte(err.Error()+"\n"))
		return
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		b.add(name+".missing.txt", []byte(err.Error()+"\n"))
		return
	}
	b.add(name, append(data, '\n'))
}

func (b *bundle) collect(ctx context.Context, o bundleOptions) {
	info, err := b.d.info(ctx)
	b.addJSON("info.json", info, err)
	status, err := b.d.gather(ctx)
	b.addJSON("status.json", status, err)
	all, err := b.d.resolve(newStartCmd(b.d).Flags())
	b.addJSON("config.json", settingViews(all), err)
	b.fromDaemon(ctx)
	if !o.offline {
		b.check(ctx)
	}
	for _, path := range []string{b.dir.Config(), b.dir.DaemonInfo()} {
		b.tail("files/"+filepath.Base(path), path)
	}
	b.units(ctx)
	b.metrics(ctx)
	// Where no journal keeps it: the daemon's own log, and the one of its unit.
	for _, path := range []string{b.dir.DaemonLog(), filepath.Join(b.dir.Orchestrator(), "service.log")} {
		b.tail("daemon/"+filepath.Base(path), path)
	}
	b.journal(ctx)
	b.tail("connectivity.log", b.dir.Connectivity())
	logs, _ := filepath.Glob(filepath.Join(b.dir.Logs(), "*.log")) // the pattern is right
	for _, path := range logs[:min(len(logs), bundleLogs)] {
		b.tail("logs/"+filepath.Base(path), path)
	}
	slices.SortFunc(b.files, func(x, y bundleFile) int { return strings.Compare(x.Name, y.Name) })
}

// fromDaemon asks the daemon, if one runs, for what it knows.
func (b *bundle) fromDaemon(ctx context.Context) {
	local, err := b.d.daemon(ctx)
	for name, path := range map[string]string{
		"self.json": "/api/self", "workers.json": "/api/workers", "operations.json": "/api/operations?limit=100",
		"events.json": "/api/events?limit=500", "connectivity.json": "/api/connectivity?tail=500",
	} {
		if err != nil {
			b.addJSON(name, nil, err)
			continue
		}
		answer, err := local.Get(ctx, path)
		b.addJSON(name, answer, err)
	}
}

// metrics takes in what the daemon counts.
func (b *bundle) metrics(ctx context.Context) {
	const name = "metrics.txt"
	local, err := b.d.daemon(ctx)
	if err != nil {
		b.addJSON(name, nil, err)
		return
	}
	text, err := local.Metrics(ctx)
	if err != nil {
		b.addJSON(name, nil, err)
		return
	}
	b.add(name, text)
}

// journal takes in what systemd kept of the daemon's own log. That may be
// another user's to read; then there is the reason.
func (b *bundle) journal(ctx context.Context) {
	service, facts := b.d.serviceOf(ctx, b.dir)
	if service == nil || facts.Manager != osservice.Systemd && facts.Manager != osservice.SystemdUser {
		return
	}
	text, err := service.Journal(ctx, journalLines)
	if err != nil {
		b.addJSON("daemon/journal.log", nil, err)
		return
	}
	b.add("daemon/journal.log", []byte(text))
}

// units takes in what service managers were told about this program, whichever
// home that is for.
func (b *bundle) units(ctx context.Context) {
	account, err := osservice.Invoking(b.d.streams.Getenv)
	if err != nil {
		b.addJSON("units", nil, err)
		return
	}
	for _, kind := range b.d.kinds() {
		s, err := b.d.service(osservice.Options{Kind: kind, UserHome: account.Home})
		if err != nil {
			b.addJSON("units/"+string(kind), nil, err)
			continue
		}
		name := "units/" + string(kind) + "-" + kind.Name() + filepath.Ext(s.Path())
		if text, err := s.Text(ctx); err != nil {
			b.addJSON(name, nil, err)
		} else if text != "" {
			b.add(name, []byte(text))
		}
	}
}

// check looks at the network as the command connectivity --check does.
func (b *bundle) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	planes, err := b.d.planesToCheck(ctx, nil)
	if err != nil {
		b.addJSON("check.json", nil, err)
		return
	}
	b.addJSON("check.json", b.d.examine(ctx, planes), nil)
}

// tail takes in the end of a file, from the beginning of a line.
func (b *bundle) tail(name, path string) {
	file, err := os.Open(path)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			b.addJSON(name, nil, err)
		}
		return
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	cut := info.Size() > bundleTail
	if cut {
		_, err = file.Seek(-bundleTail, io.SeekEnd)
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(file, bundleTail))
	}
	if err != nil {
		b.addJSON(name, nil, err)
		return
	}
	if cut {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	b.add(name, data)
}

// write packs the files. An old file is never replaced.
func (b *bundle) write(path string) (string, error) {
	now := time.Now()
	folder := strings.TrimSuffix(filepath.Base(path), ".tar.gz")
	if path == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "host"
		}
		folder = fmt.Sprintf("pipedai-support-%s-%s", hostdir.Slug(host), now.Format("20060102-150405"))
		path = folder + ".tar.gz"
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("write the bundle: %w", err)
	}
	zipped := gzip.NewWriter(file)
	packed := tar.NewWriter(zipped)
	for _, f := range b.files {
		header := &tar.Header{Name: folder + "/" + f.Name, Mode: 0o600, Size: int64(len(f.data)), ModTime: now, Format: tar.FormatPAX}
		if err = packed.WriteHeader(header); err != nil {
			break
		}
		if _, err = packed.Write(f.data); err != nil {
			break
		}
	}
	if err = errors.Join(err, packed.Close(), zipped.Close(), file.Close()); err != nil {
		_ = os.Remove(path) // half a bundle helps nobody
		return "", fmt.Errorf("write the bundle: %w", err)
	}
	return path, nil
}
