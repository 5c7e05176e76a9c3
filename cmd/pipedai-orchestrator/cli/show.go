package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newShowCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "show <worker>", Short: "Show one worker: its settings, and how its last processes ended",
		Long:    "Shows one worker with what it is given and how its last processes ended. Of its\nenvironment only the names are shown." + namesText,
		Example: "  pipedai-orchestrator workers show build-box\n  pipedai-orchestrator workers show build-box --json",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: d.completeWorker,
		RunE: func(cmd *cobra.Command, args []string) error { return runShow(cmd.Context(), d, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runShow(ctx context.Context, d *deps, name string, asJSON bool) error {
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	w, err := findWorker(ctx, d, local, name)
	if err != nil {
		return err
	}
	detail, err := local.Worker(ctx, w.ID)
	if err != nil {
		return err
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, detail)
	}
	return printWorker(d, detail)
}

func printWorker(d *deps, w api.WorkerDetail) error {
	s := w.Settings
	rows := [][]string{
		{"Worker", w.Worker.Label}, {"Id", w.Worker.ID}, {"State", localText(w.Worker)}, {"Process", pidText(w.Worker)},
		{"Up", uptimeText(w.Worker)}, {"Restarts", restartsText(w.Worker)}, {"Folder", s.Dir}, {"Environment", envText(s.Env)},
		{"Stop grace", humanMillis(s.StopGraceMs)}, {"Restart after", stepsText(s.Restart)}, {"Gives up", budgetText(s.Restart)},
		{"Limits", limitsText(s.Limits)},
	}
	if s.AuthMode != "" {
		rows = append(rows, []string{"Authentication", s.AuthMode})
	}
	if l := w.Worker.Local; l != nil {
		for _, more := range [][]string{{"Not kept", l.NotLimited}, {"Last error", l.LastError}, {"Because", l.RestartReason}} {
			if more[1] != "" {
				rows = append(rows, more)
			}
		}
	}
	if err := cliutil.Table(d.streams.Out, d.streams.Width, nil, rows); err != nil {
		return err
	}
	if len(w.Exits) == 0 {
		return nil
	}
	d.printf("\n")
	ends := make([][]string, 0, len(w.Exits))
	for _, x := range w.Exits {
		ended := time.UnixMilli(x.EndedAt)
		ends = append(ends, []string{
			strconv.FormatInt(x.Generation, 10), ended.Format(time.DateTime), exitText(x), humanDuration(max(0, ended.Sub(time.UnixMilli(x.StartedAt)))), x.Detail,
		})
	}
	return cliutil.Table(d.streams.Out, d.streams.Width, []string{"PROCESS", "ENDED", "HOW", "RAN", "DETAIL"}, ends)
}

func envText(env []api.WorkerEnv) string {
	var names []string
	for _, e := range env {
		name := e.Name
		if e.Secret {
			name += " (secret)"
		}
		names = append(names, name)
	}
	return orDash(strings.Join(names, ", "))
}

func stepsText(r api.WorkerRestarts) string {
	var steps []string
	for _, ms := range r.BackoffMs {
		steps = append(steps, humanMillis(ms))
	}
	return strings.Join(steps, ", ")
}

func budgetText(r api.WorkerRestarts) string {
	text := "never"
	if r.Budget >= 0 {
		text = fmt.Sprintf("after %d restarts without a run of %s", r.Budget, humanMillis(r.StableMs))
	}
	if len(r.FinalCodes) > 0 {
		var codes []string
		for _, c := range r.FinalCodes {
			codes = append(codes, strconv.Itoa(c))
		}
		text += "; at once after exit code " + strings.Join(codes, ", ")
	}
	return text
}

func limitsText(l api.WorkerLimits) string {
	var parts []string
	if l.MemoryBytes > 0 {
		parts = append(parts, fmt.Sprintf("memory %.4g MiB", float64(l.MemoryBytes)/(1<<20)))
	}
	if l.CPU > 0 {
		parts = append(parts, fmt.Sprintf("cpu %g", l.CPU))
	}
	if l.PIDs > 0 {
		parts = append(parts, fmt.Sprintf("pids %d", l.PIDs))
	}
	if l.NoFile > 0 {
		parts = append(parts, fmt.Sprintf("open files %d", l.NoFile))
	}
	return orDash(strings.Join(parts, ", "))
}

func exitText(x api.WorkerExit) string {
	switch {
	case x.Code != nil:
		return "code " + strconv.Itoa(*x.Code)
	case x.Signal != nil:
		return *x.Signal
	case x.How == "not-started":
		return "not started"
	default:
		return x.How
	}
}

func humanMillis(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
