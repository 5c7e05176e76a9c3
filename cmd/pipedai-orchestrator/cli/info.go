package cli

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"pipedai/daemon"
	"pipedai/enroll"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

// hostInfo is what info --json prints. Members are added, never renamed.
type hostInfo struct {
	Hostname      string            `json:"hostname"`
	Program       string            `json:"program"` // this program's own file
	Build         buildinfo.Info    `json:"build"`
	WorkerProgram string            `json:"workerProgram"` // empty: none was found
	WorkerError   string            `json:"workerError,omitempty"`
	Daemon        *daemonFacts      `json:"daemon"` // null: none runs
	ControlPlanes []string          `json:"controlPlanes"`
	Workers       []workerFacts     `json:"workers"`
	Paths         map[string]string `json:"paths"`
}

type daemonFacts struct {
	PID     int    `json:"pid"`
	Port    int    `json:"port"`
	URL     string `json:"url"`
	Version string `json:"version"`
}

type workerFacts struct {
	ID     string `json:"id"`
	Label  string `json:"label"`
	APIURL string `json:"apiUrl"`
	Log    string `json:"log"`
}

func newInfoCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Show paths, versions, ids and ports of this host",
		Long:  `Shows where everything of this host is. It works without a daemon, too.`,
		Example: `  pipedai-orchestrator info
  pipedai-orchestrator info --json`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := d.info(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.streams.Out, info)
			}
			return d.printInfo(info)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// info gathers the facts. What cannot be read is left out: status says why.
func (d *deps) info(ctx context.Context) (hostInfo, error) {
	dir, err := d.dir()
	if err != nil {
		return hostInfo{}, err
	}
	info := hostInfo{
		Build: buildinfo.Get(), ControlPlanes: []string{}, Workers: []workerFacts{},
		Paths: map[string]string{
			"home": dir.Home(), "manifest": dir.Manifest(), "credentials": dir.Credentials(), "config": dir.Config(),
			"daemon": dir.DaemonInfo(), "workers": dir.Workers(), "logs": dir.Logs(), "runs": dir.Runs(),
		},
	}
	if info.Hostname, err = os.Hostname(); err != nil {
		info.Hostname = "unknown"
	}
	if info.Program, err = os.Executable(); err != nil {
		info.Program = program
	}
	if info.WorkerProgram, err = daemon.FindWorkerProgram(d.streams.Getenv("PIPEDAI_WORKER_PROGRAM")); err != nil {
		info.WorkerError = err.Error()
	}
	if creds, err := enroll.LoadCredentials(dir.Credentials()); err == nil {
		info.ControlPlanes = append(info.ControlPlanes, creds.ControlPlanes()...)
	}
	local, err := d.daemon(ctx)
	if errors.Is(err, context.Canceled) {
		return info, err
	}
	if err != nil {
		return info, nil
	}
	info.Daemon = &daemonFacts{local.info.PID, local.info.Port, local.info.URL(), local.info.Version}
	workers, err := local.Workers(ctx)
	if err != nil {
		return info, nil // it is starting
	}
	for _, w := range workers {
		info.Workers = append(info.Workers, workerFacts{w.ID, w.Label, w.APIURL, dir.Log(w.ID)})
	}
	return info, nil
}

func (d *deps) printInfo(info hostInfo) error {
	rows := [][]string{
		{"Host", info.Hostname},
		{"Version", info.Build.Version + " (" + info.Build.Go + " " + info.Build.OS + "/" + info.Build.Arch + ")"},
		{"Program", info.Program},
	}
	if info.WorkerProgram != "" {
		rows = append(rows, []string{"Worker program", info.WorkerProgram})
	} else {
		rows = append(rows, []string{"Worker program", "none: " + info.WorkerError})
	}
	if f := info.Daemon; f != nil {
		rows = append(rows, []string{"Daemon", f.URL + " (pid " + strconv.Itoa(f.PID) + ", version " + f.Version + ")"})
	} else {
		rows = append(rows, []string{"Daemon", "not running"})
	}
	for _, url := range info.ControlPlanes {
		rows = append(rows, []string{"Control plane", url})
	}
	for _, w := range info.Workers {
		rows = append(rows, []string{"Worker", w.Label + " (" + w.ID + ")"}, []string{"  its log", w.Log})
	}
	for _, p := range []struct{ name, key string }{
		{"Home", "home"}, {"Manifest", "manifest"}, {"Credentials", "credentials"}, {"Settings", "config"},
		{"Worker files", "workers"}, {"Logs", "logs"}, {"Run events", "runs"},
	} {
		rows = append(rows, []string{p.name, info.Paths[p.key]})
	}
	// Paths are for copying: they are never shortened.
	for _, row := range rows {
		if d.streams.Width == 0 {
			d.printf("%s\t%s\n", row[0], cliutil.Printable(row[1]))
		} else {
			d.printf("%-14s  %s\n", row[0], cliutil.Printable(row[1]))
		}
	}
	return nil
}
