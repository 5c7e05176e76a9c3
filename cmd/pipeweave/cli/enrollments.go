package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

func newEnrollmentsCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "enrollments", Short: "Admit hosts: list, approve, deny, issue and revoke codes",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEnrollmentsListCmd(d), newDecideCmd(d, true), newDecideCmd(d, false), newIssueCmd(d), newEnrollmentRevokeCmd(d))
	return cmd
}

func newEnrollmentsListCmd(d *deps) *cobra.Command {
	var r remote
	var status string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List pairings and codes, newest first", Args: cobra.NoArgs,
		Example: "  pipeweave enrollments list --status pending",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			all, err := c.Enrollments(cmd.Context(), status)
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, all)
			}
			if len(all.Items) == 0 {
				return d.printf("No enrollments. A host asks to join with: pipedai-orchestrator connect --api-url %s\n", c.BaseURL())
			}
			var rows [][]string
			for _, e := range all.Items {
				rows = append(rows, []string{e.Status, e.UserCode, e.Kind, first(e.Hostname, e.Label), e.OS, e.Address, d.ago(e.CreatedAt), e.ID})
			}
			return cliutil.Table(d.Out, d.Width, []string{"STATUS", "CODE", "KIND", "HOST", "OS", "FROM", "ASKED", "ID"}, rows)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&status, "status", "", "only these: pending, approved, denied, redeemed, revoked or expired")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type decideOptions struct {
	remote  remote
	code    string
	approve bool
	json    bool
}

func newDecideCmd(d *deps, approve bool) *cobra.Command {
	o := decideOptions{approve: approve}
	cmd := &cobra.Command{
		Use: "approve CODE", Short: "Let the host that shows CODE join", Args: cobra.ExactArgs(1),
		Long:    "Let a host join. Compare CODE with the one on that host's own terminal first: whoever\nshows it may run tasks of this control plane.",
		Example: "  pipeweave enrollments approve WDJB-MJHT",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.code = args[0]
			return runDecide(cmd.Context(), d, o)
		},
	}
	if !approve {
		cmd.Use, cmd.Short, cmd.Long = "deny CODE", "Refuse the host that shows CODE", ""
		cmd.Example = "  pipeweave enrollments deny WDJB-MJHT"
	}
	o.remote.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runDecide(ctx context.Context, d *deps, o decideOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	found, err := findEnrollment(ctx, c, o.code)
	if err != nil {
		return err
	}
	decide := c.Deny
	if o.approve {
		decide = c.Approve
	}
	decided, err := decide(ctx, found.ID)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, decided)
	}
	who := describeHost(found)
	if !o.approve {
		return d.printf("Denied: %s stays out.\n", who)
	}
	return d.printf("Approved: %s may join.\nNext: pipeweave hosts\n", who)
}

func describeHost(e api.Enrollment) string {
	text := "host " + first(e.Hostname, e.Label, "without a name")
	if e.OS != "" {
		text += " (" + e.OS + ")"
	}
	if e.Address != "" {
		text += " from " + e.Address
	}
	return text
}

func newIssueCmd(d *deps) *cobra.Command {
	var r remote
	var label string
	var expires time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use: "issue", Short: "Issue a code that admits one host without asking", Args: cobra.NoArgs,
		Example: "  pipeweave enrollments issue --label build-7 --expires 1h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if expires < 0 || expires > 365*24*time.Hour {
				return cliutil.UsageError("--expires must be between 0 and 8760h")
			}
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			code, err := c.IssueCode(cmd.Context(), api.IssueCodeRequest{Label: label, ExpiresInSec: int64(expires / time.Second)})
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, code)
			}
			d.notef("The code works once, until %s. It is not shown again.\nOn the host: pipedai-orchestrator connect --api-url %s --token-stdin\n",
				code.ExpiresAt.Local().Format("2006-01-02 15:04 MST"), c.BaseURL())
			return d.printf("%s\n", code.Code)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&label, "label", "", "name for the host")
	cmd.Flags().DurationVar(&expires, "expires", 24*time.Hour, "how long the code works")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// findEnrollment finds a pairing by the code its host shows, or either kind by
// its id.
func findEnrollment(ctx context.Context, c *client.Client, name string) (api.Enrollment, error) {
	if !strings.HasPrefix(name, "ent_") {
		found, err := c.LookupEnrollment(ctx, name)
		return found, named(err, "pairing with the code", name, "pipeweave enrollments list --status pending")
	}
	all, err := c.Enrollments(ctx, "")
	if err != nil {
		return api.Enrollment{}, err
	}
	for _, e := range all.Items {
		if e.ID == name {
			return e, nil
		}
	}
	return api.Enrollment{ID: name}, nil // older than the list; the server knows
}

func newEnrollmentRevokeCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "revoke CODE|ID", Short: "Take back a pairing or a code that nobody used yet", Args: cobra.ExactArgs(1),
		Long: `Take back a pairing that was approved, or a code that was issued, before a host joins by
it. A host that has joined is revoked with "pipeweave hosts revoke".`,
		Example: "  pipeweave enrollments revoke ent_0123456789abcdef",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			found, err := findEnrollment(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			got, err := c.RevokeEnrollment(cmd.Context(), found.ID)
			if err != nil {
				return named(conflicting(err, "pipeweave hosts"), "enrollment", args[0], "pipeweave enrollments list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, got)
			}
			return d.printf("Revoked: nobody joins by it any more.\n")
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
