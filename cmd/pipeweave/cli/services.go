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
		Use: "services", Short: "List registered services", Args: cobra.NoArgs,
		Example: "  pipeweave services",
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
			}
			return nil
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
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
