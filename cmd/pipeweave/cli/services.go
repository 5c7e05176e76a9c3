package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newServicesCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "services", Short: "List registered services, and who serves them", Args: cobra.NoArgs,
		Long: `List registered services: the version that registered last, and who serves each in
which version. A service is degraded while a worker of the last 24 hours is not heard
of, and unserved when nothing takes its work.`,
		Example: "  pipeweave services\n  pipeweave services --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			all, err := c.Services(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, all)
			}
			if len(all.Services) == 0 {
				return d.printf("No services are registered. Workers register when they start.\n")
			}
			for _, s := range all.Services {
				seen := s.LastHeartbeat
				if seen.IsZero() {
					seen = s.RegisteredAt
				}
				if err := d.printf("• %s (%s)  %d tasks  last seen %s\n", s.ID, cliutil.Printable(s.Version), s.TaskCount, d.ago(seen)); err != nil {
					return err
				}
				if err := d.printServing(s, c.BaseURL()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printServing says how well a service is served, by whom, and what helps.
func (d *deps) printServing(s api.Service, url string) error {
	if s.Health == "" {
		return nil // a server of before
	}
	health := s.Health
	if s.HealthReason != "" {
		health += ": " + s.HealthReason
	}
	if err := d.printf("  %s\n", cliutil.Printable(health)); err != nil {
		return err
	}
	for _, i := range s.Instances {
		doing := i.Status
		if i.CurrentTaskID != "" {
			doing += " with " + i.CurrentTaskID
		}
		where := i.Name
		if i.Host != "" && i.Host != i.Name {
			where += " on " + i.Host
		}
		line := fmt.Sprintf("%s  version %s  %s  last seen %s", where, first(i.Version, "not known"), doing, d.ago(i.LastSeenAt))
		if err := d.printf("    %s\n", cliutil.Printable(line)); err != nil {
			return err
		}
	}
	if s.Elsewhere > 0 {
		if err := d.printf("    %d in other workspaces\n", s.Elsewhere); err != nil {
			return err
		}
	}
	if s.Health == api.HealthUnserved {
		d.notef("Next: %s\n", remedy(s, url))
	}
	return nil
}

// remedy is the command that most likely brings back whoever serves a service.
func remedy(s api.Service, url string) string {
	for _, i := range s.Instances {
		if i.Status == "disabled" {
			if i.Workspace == "" {
				return "pipeweave pool enable " + i.WorkerID
			}
			return "pipeweave workers enable " + i.WorkerID
		}
	}
	for _, i := range s.Instances {
		if i.WorkerID != "" {
			return "pipedai-orchestrator status (on " + cliutil.Printable(i.Host) + ")"
		}
	}
	if s.BaseURL != "" {
		return "curl -i " + s.BaseURL + "/health"
	}
	return "pipedai-orchestrator connect --api-url " + url
}

// ago says how long ago an instant was.
func (d *deps) ago(t api.Time) string {
	if t.IsZero() {
		return "never"
	}
	since := d.now().Sub(t.Time)
	switch {
	case since < 5*time.Second:
		return "just now"
	case since < 2*time.Minute:
		return fmt.Sprintf("%ds ago", int(since.Seconds()))
	case since < 2*time.Hour:
		return fmt.Sprintf("%dm ago", int(since.Minutes()))
	case since < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(since.Hours()))
	default:
		return fmt.Sprintf("%dd ago", int(since.Hours()/24))
	}
}

// seconds says how long something took.
func seconds(d time.Duration) string {
	switch {
	case d < 0:
		return "0.0s"
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}
