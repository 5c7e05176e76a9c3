package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

func newHostsCmd(d *deps) *cobra.Command {
	list := hostsOptions{}
	cmd := &cobra.Command{
		Use: "hosts", Short: "See the hosts that joined, pause, drain and revoke them", Args: cobra.NoArgs,
		Long: `See the machines whose daemons joined, with what they say of themselves, and decide
about all workers of one at once. A host is named by its name or its id.`,
		Example: `  pipeweave hosts
  pipeweave hosts drain build-box --note "new disk" --for 2h`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runHostsList(cmd.Context(), d, list) },
	}
	list.bind(cmd)
	cmd.AddCommand(newHostsListCmd(d), newHostsShowCmd(d), newHostsNoteCmd(d), newHostsPauseCmd(d), newHostsResumeCmd(d), newHostsDrainCmd(d), newHostsRevokeCmd(d))
	return cmd
}

type hostsOptions struct {
	remote remote
	status string
	all    bool
	json   bool
}

func (o *hostsOptions) bind(cmd *cobra.Command) {
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.status, "status", "", "only these: online, offline, never or revoked")
	cmd.Flags().BoolVar(&o.all, "all", false, "revoked ones, too")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func newHostsListCmd(d *deps) *cobra.Command {
	var o hostsOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List hosts by name", Args: cobra.NoArgs, Example: "  pipeweave hosts list --status offline",
		RunE: func(cmd *cobra.Command, _ []string) error { return runHostsList(cmd.Context(), d, o) },
	}
	o.bind(cmd)
	return cmd
}

func runHostsList(ctx context.Context, d *deps, o hostsOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	all, err := c.Hosts(ctx, o.status)
	if err != nil {
		return err
	}
	shown := []api.Host{}
	for _, h := range all.Items {
		if h.Status != "revoked" || o.all || o.status != "" {
			shown = append(shown, h)
		}
	}
	if o.json {
		return cliutil.JSON(d.Out, api.Hosts{Items: shown})
	}
	if len(shown) == 0 && len(all.Items) > 0 {
		return d.printf("No hosts but %d revoked. See: pipeweave hosts list --all\n", len(all.Items))
	}
	if len(shown) == 0 {
		return d.printf("No hosts. One joins with: pipedai-orchestrator connect --api-url %s\n", c.BaseURL())
	}
	var rows [][]string
	for _, h := range shown {
		rows = append(rows, []string{h.Name, hostState(h), hostWorkers(h), first(h.Version, "-"), platform(h), d.ago(h.LastSeenAt), first(h.Note, "-")})
	}
	if err := cliutil.Table(d.Out, d.Width, []string{"NAME", "STATUS", "WORKERS", "VERSION", "SYSTEM", "LAST SEEN", "NOTE"}, rows); err != nil {
		return err
	}
	for _, h := range shown {
		for _, warning := range h.Warnings {
			d.notef("warning: %s: %s\n", cliutil.Printable(h.Name), warning)
		}
	}
	return nil
}

func hostState(h api.Host) string {
	if h.Paused != nil {
		return h.Status + ", paused"
	}
	return h.Status
}

func hostWorkers(h api.Host) string {
	out := fmt.Sprint(h.Workers)
	if h.Busy > 0 {
		out += fmt.Sprintf(", %d busy", h.Busy)
	}
	if h.Disabled > 0 {
		out += fmt.Sprintf(", %d disabled", h.Disabled)
	}
	return out
}

func platform(h api.Host) string {
	switch {
	case h.OS == "":
		return "-"
	case h.Arch == "":
		return h.OS
	}
	return h.OS + "/" + h.Arch
}

// findHost finds a host by its id or its name. One that is not revoked goes
// first.
func findHost(ctx context.Context, c *client.Client, name string) (api.Host, error) {
	all, err := c.Hosts(ctx, "")
	if err != nil {
		return api.Host{}, err
	}
	for _, h := range all.Items {
		if h.ID == name || strings.EqualFold(h.Name, name) {
			return h, nil
		}
	}
	return api.Host{}, cliutil.Failf(cliutil.ExitFailed, "see: pipeweave hosts list --all", "there is no host %q", name)
}

// hostCmd is a command about one host.
func hostCmd(d *deps, use, short string, run func(ctx context.Context, c *client.Client, h api.Host, args []string) (api.HostDetail, string, error)) *cobra.Command {
	var r remote
	var asJSON bool
	args := cobra.ExactArgs(strings.Count(use, " "))
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			h, err := findHost(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			got, said, err := run(cmd.Context(), c, h, args[1:])
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, got)
			}
			if said == "" {
				return d.printHost(got)
			}
			return d.printf("%s", said)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newHostsShowCmd(d *deps) *cobra.Command {
	return hostCmd(d, "show HOST", "Show a host and its workers", func(ctx context.Context, c *client.Client, h api.Host, _ []string) (api.HostDetail, string, error) {
		got, err := c.Host(ctx, h.ID)
		return got, "", err
	})
}

func (d *deps) printHost(h api.HostDetail) error {
	lines := [][2]string{
		{"Host", h.Name}, {"ID", h.ID}, {"Label", h.Label}, {"Status", h.Status}, {"System", strings.TrimSpace(platform(h.Host) + " " + h.OSVersion)},
		{"Daemon", h.Version}, {"Last seen", d.ago(h.LastSeenAt)}, {"Joined", d.ago(h.RegisteredAt)}, {"Can do", strings.Join(h.Capabilities, ", ")}, {"Note", h.Note},
	}
	if h.Paused != nil {
		lines = append(lines, [2]string{"Paused", d.holdText(*h.Paused)})
	}
	if !h.RevokedAt.IsZero() {
		lines = append(lines, [2]string{"Revoked", d.ago(h.RevokedAt) + " by " + h.RevokedBy})
	}
	for _, warning := range h.Warnings {
		lines = append(lines, [2]string{"Warning", warning})
	}
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if err := d.printf("%-11s%s\n", line[0]+":", cliutil.Printable(line[1])); err != nil {
			return err
		}
	}
	if len(h.Items) == 0 {
		return nil
	}
	if err := d.printf("\n"); err != nil {
		return err
	}
	return d.workerTable(h.Items)
}

// holdText says who disabled something, why and until when.
func (d *deps) holdText(h api.Hold) string {
	text := "since " + d.ago(h.Since)
	if h.Who != "" {
		text += " by " + h.Who
	}
	if !h.Until.IsZero() {
		text += " until " + h.Until.Local().Format("2006-01-02 15:04")
	}
	if h.Note != "" {
		text += ": " + h.Note
	}
	switch h.By {
	case "":
	case api.HoldHost:
		text = "with its host, " + text
	default:
		text = "for " + h.By + ", " + text
	}
	return text
}

func newHostsNoteCmd(d *deps) *cobra.Command {
	cmd := hostCmd(d, "note HOST TEXT", "Keep a note about a host; an empty one takes it away", func(ctx context.Context, c *client.Client, h api.Host, args []string) (api.HostDetail, string, error) {
		got, err := c.NoteHost(ctx, h.ID, args[0])
		return got, "Noted.\n", err
	})
	cmd.Example = `  pipeweave hosts note build-box "under the desk in room 4"`
	return cmd
}

// pauseOptions are how long something is switched off, and why.
type pauseOptions struct {
	note  string
	until time.Duration
}

func (o *pauseOptions) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.note, "note", "", "why, for whoever finds it so")
	cmd.Flags().DurationVar(&o.until, "for", 0, "for how long, such as 2h (default: until somebody ends it)")
}

func (o *pauseOptions) end(d *deps) (api.Time, error) {
	switch {
	case o.until < 0:
		return api.Time{}, cliutil.UsageError("--for must not be negative")
	case o.until == 0:
		return api.Time{}, nil
	}
	return api.At(d.now().Add(o.until)), nil
}

func newHostsPauseCmd(d *deps) *cobra.Command {
	var o pauseOptions
	cmd := hostCmd(d, "pause HOST", "Give the workers of a host no new runs", func(ctx context.Context, c *client.Client, h api.Host, _ []string) (api.HostDetail, string, error) {
		until, err := o.end(d)
		if err != nil {
			return api.HostDetail{}, "", err
		}
		got, err := c.PauseHost(ctx, h.ID, api.PauseRequest{Note: o.note, Until: until})
		return got, fmt.Sprintf("Paused: %s gets no new runs, and has %s in hand.\nNext: pipeweave hosts resume %s\n",
			cliutil.Printable(got.Name), several(got.Busy, "run"), cliutil.Printable(got.Name)), err
	})
	o.bind(cmd)
	cmd.Long = "Give the workers of a host no new runs. Those in hand go on; \"drain\" waits for their\nend. With --for the pause ends by itself."
	cmd.Example = `  pipeweave hosts pause build-box --note "new disk" --for 2h`
	return cmd
}

func newHostsResumeCmd(d *deps) *cobra.Command {
	cmd := hostCmd(d, "resume HOST", "Undo a pause", func(ctx context.Context, c *client.Client, h api.Host, _ []string) (api.HostDetail, string, error) {
		got, err := c.ResumeHost(ctx, h.ID)
		said := fmt.Sprintf("Resumed: %s.\n", cliutil.Printable(got.Name))
		if got.Disabled > 0 {
			said += fmt.Sprintf("%s of it disabled for another reason: that stays. See: pipeweave hosts show %s\n", several(got.Disabled, "worker"), cliutil.Printable(got.Name))
		}
		return got, said, err
	})
	cmd.Long = "Undo a pause. A worker that was disabled for itself stays so."
	return cmd
}

// drainPace is how often a drain looks.
const drainPace = time.Second

func newHostsDrainCmd(d *deps) *cobra.Command {
	var o pauseOptions
	var timeout time.Duration
	cmd := hostCmd(d, "drain HOST", "Pause a host and wait until no worker of it has a run in hand", func(ctx context.Context, c *client.Client, h api.Host, _ []string) (api.HostDetail, string, error) {
		until, err := o.end(d)
		if err != nil {
			return api.HostDetail{}, "", err
		}
		got, err := c.PauseHost(ctx, h.ID, api.PauseRequest{Note: o.note, Until: until})
		if err == nil {
			got, err = d.awaitDrained(ctx, c, got, timeout)
		}
		return got, fmt.Sprintf("Drained: no worker of %s has a run in hand, and it gets none.\nNext: pipeweave hosts resume %s\n",
			cliutil.Printable(got.Name), cliutil.Printable(got.Name)), err
	})
	o.bind(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait (default: as long as it takes); the pause stays")
	cmd.Long = "Pause a host and wait until no worker of it has a run in hand. An interrupt ends the\nwait; the pause stays."
	cmd.Example = `  pipeweave hosts drain build-box --note "new disk" --timeout 30m`
	return cmd
}

func (d *deps) awaitDrained(ctx context.Context, c *client.Client, h api.HostDetail, timeout time.Duration) (api.HostDetail, error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if timeout > 0 {
		waiting, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	said := -1
	for {
		if h.Busy == 0 {
			return h, nil
		}
		if h.Busy != said {
			said = h.Busy
			d.notef("Waiting for %s: %s\n", several(h.Busy, "run"), busyWorkers(h))
		}
		pause := time.NewTimer(drainPace)
		select {
		case <-waiting.Done():
			pause.Stop()
			if ctx.Err() != nil {
				return h, ctx.Err()
			}
			return h, cliutil.Failf(cliutil.ExitTimeout, "it stays paused; go on waiting: pipeweave hosts drain "+h.Name+", or undo it: pipeweave hosts resume "+h.Name,
				"%s still in hand after %s", several(h.Busy, "run"), timeout)
		case <-pause.C:
		}
		now, err := c.Host(ctx, h.ID)
		if err != nil {
			return h, err
		}
		h = now
	}
}

func busyWorkers(h api.HostDetail) string {
	var out []string
	for _, w := range h.Items {
		if w.CurrentRunID != nil {
			out = append(out, cliutil.Printable(first(w.Label, w.Hostname))+" ("+*w.CurrentRunID+")")
		}
	}
	return strings.Join(out, ", ")
}

func newHostsRevokeCmd(d *deps) *cobra.Command {
	var yes bool
	cmd := hostCmd(d, "revoke HOST", "Void the credentials of a host and of its workers", func(ctx context.Context, c *client.Client, h api.Host, _ []string) (api.HostDetail, string, error) {
		question := fmt.Sprintf("%s is cut off within seconds, with %s. What is in hand there (%s) runs again elsewhere.",
			cliutil.Printable(h.Name), several(h.Workers, "worker"), several(h.Busy, "run"))
		if err := d.confirm(ctx, yes, question, h.Name); err != nil {
			return api.HostDetail{}, "", err
		}
		got, err := c.RevokeHost(ctx, h.ID)
		return got, fmt.Sprintf("Revoked: %s is not trusted any more. To let it in again, have somebody there run:\n  pipedai-orchestrator connect --api-url %s\n",
			cliutil.Printable(got.Name), c.BaseURL()), err
	})
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Long = `Void the credentials of a host and of its workers, for one that was lost or stolen, or
that goes out of service. What it holds open ends within five seconds. Its runs in hand
are taken back and run elsewhere. To let runs end first, drain it before. Codes that it
asked for and nobody used are void, too; it joins again only when a person there and an
operator here both want it.`
	cmd.Example = "  pipeweave hosts revoke build-box"
	return cmd
}

// several is a number of things.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
