package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

func newWorkspacesCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "workspaces", Short: "List, create and change workspaces and their environments", Args: cobra.NoArgs,
		Long: `List, create and change workspaces and their environments. A workspace has hosts,
workers and tokens of its own; the engine has one queue for all of them. Where
one is meant, its id or its name is given.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWorkspacesListCmd(d), newWorkspacesCreateCmd(d), newWorkspacesChangeCmd(d), newEnvironmentsCmd(d))
	return cmd
}

func newWorkspacesListCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List workspaces by name", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			all, err := c.Workspaces(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, all)
			}
			var rows [][]string
			for _, w := range all.Items {
				rows = append(rows, []string{w.ID, w.Name, w.AuthMode, w.EnvironmentID, d.ago(w.CreatedAt)})
			}
			return cliutil.Table(d.Out, d.Width, []string{"ID", "NAME", "AUTH MODE", "FIRST ENVIRONMENT", "CREATED"}, rows)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newWorkspacesCreateCmd(d *deps) *cobra.Command {
	var r remote
	var req api.CreateWorkspaceRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a workspace", Args: cobra.ExactArgs(1),
		Example: "  pipeweave workspaces create research --auth-mode claude_max",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			made, err := c.CreateWorkspace(cmd.Context(), req)
			if err != nil {
				return conflicting(err, "pipeweave workspaces list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, made)
			}
			return d.printf("Workspace %s (%s).\nNext: pipeweave tokens create NAME --role admin --workspace %s\n", made.Name, made.ID, made.ID)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&req.AuthMode, "auth-mode", "", "how its workers pay for models: api_key (default) or claude_max")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newWorkspacesChangeCmd(d *deps) *cobra.Command {
	var r remote
	var req api.ChangeWorkspaceRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use: "change WORKSPACE", Short: "Rename a workspace, or say how its workers pay for models", Args: cobra.ExactArgs(1),
		Example: "  pipeweave workspaces change research --name lab\n  pipeweave workspaces change lab --auth-mode api_key",
		RunE: func(cmd *cobra.Command, args []string) error {
			if req == (api.ChangeWorkspaceRequest{}) {
				return cliutil.UsageError("say what to change: --name or --auth-mode")
			}
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			ws, err := findWorkspace(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			changed, err := c.ChangeWorkspace(cmd.Context(), ws, req)
			if err != nil {
				return conflicting(err, "pipeweave workspaces list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, changed)
			}
			return d.printf("Workspace %s (%s) has auth mode %s.\n", changed.Name, changed.ID, changed.AuthMode)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&req.Name, "name", "", "its new name")
	cmd.Flags().StringVar(&req.AuthMode, "auth-mode", "", "api_key or claude_max; hosts that join from now on hear it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newEnvironmentsCmd(d *deps) *cobra.Command {
	var r remote
	var create string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "environments WORKSPACE", Short: "List the environments of a workspace, or add one", Args: cobra.ExactArgs(1),
		Example: "  pipeweave workspaces environments default\n  pipeweave workspaces environments default --create staging",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			ws, err := findWorkspace(ctx, c, args[0])
			if err != nil {
				return err
			}
			if create != "" {
				if _, err := c.CreateEnvironment(ctx, ws, api.CreateEnvironmentRequest{Name: create}); err != nil {
					return conflicting(err, "pipeweave workspaces environments "+ws)
				}
			}
			all, err := c.Environments(ctx, ws)
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, all)
			}
			var rows [][]string
			for _, e := range all.Items {
				rows = append(rows, []string{e.ID, e.Name, d.ago(e.CreatedAt)})
			}
			return cliutil.Table(d.Out, d.Width, []string{"ID", "NAME", "CREATED"}, rows)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&create, "create", "", "add one of this name first")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// findWorkspace is the id of the workspace with an id or a name.
func findWorkspace(ctx context.Context, c *client.Client, text string) (string, error) {
	all, err := c.Workspaces(ctx)
	if err != nil {
		return "", err
	}
	for _, w := range all.Items {
		if w.ID == text || w.Name == text {
			return w.ID, nil
		}
	}
	return "", cliutil.Fail(cliutil.ExitFailed, fmt.Errorf("there is no workspace %q", text), "see: pipeweave workspaces list")
}
