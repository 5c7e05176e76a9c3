package cli

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

type pipelinesOptions struct {
	remote remote
	id     string // empty: all
	json   bool
}

func newPipelinesCmd(d *deps) *cobra.Command {
	var o pipelinesOptions
	cmd := &cobra.Command{
		Use: "pipelines", Short: "List, show, define and check pipelines", Args: cobra.NoArgs,
		Example: "  pipeweave pipelines\n  pipeweave pipelines show pdf-processor\n  pipeweave pipelines apply -f pipelines.yaml",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPipelines(cmd.Context(), d, o) },
	}
	o.bind(cmd)
	var listed, shown pipelinesOptions
	all := &cobra.Command{
		Use: "list", Short: "List pipelines", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPipelines(cmd.Context(), d, listed) },
	}
	listed.bind(all)
	one := &cobra.Command{
		Use: "show ID", Short: "Show a pipeline and the order its tasks run in", Args: cobra.ExactArgs(1),
		ValidArgsFunction: d.completePipelines,
		RunE: func(cmd *cobra.Command, args []string) error {
			shown.id = args[0]
			return runPipelines(cmd.Context(), d, shown)
		},
	}
	shown.bind(one)
	cmd.AddCommand(all, one, newApplyCmd(d), newDeletePipelineCmd(d), newDryRunCmd(d))
	return cmd
}

func (o *pipelinesOptions) bind(cmd *cobra.Command) {
	o.remote.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func runPipelines(ctx context.Context, d *deps, o pipelinesOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	if o.id == "" {
		all, err := c.Pipelines(ctx)
		if err != nil {
			return err
		}
		if o.json {
			return cliutil.JSON(d.Out, all)
		}
		if len(all.Pipelines) == 0 {
			return d.printf("No pipelines. They appear when a worker registers its tasks.\n")
		}
		var rows [][]string
		for _, p := range all.Pipelines {
			rows = append(rows, []string{p.ID, p.Version, p.FailureMode, strings.Join(p.EntryTasks, ", "), d.ago(p.UpdatedAt)})
		}
		return cliutil.Table(d.Out, d.Width, []string{"ID", "VERSION", "ON FAILURE", "STARTS WITH", "UPDATED"}, rows)
	}

	detail, err := c.Pipeline(ctx, o.id)
	if err != nil {
		return named(err, "pipeline", o.id, "pipeweave pipelines")
	}
	if o.json {
		return cliutil.JSON(d.Out, detail)
	}
	plan, err := c.DryRun(ctx, o.id, nil)
	if err != nil {
		return err
	}
	p := detail.Pipeline
	if err := d.printf("%s  version %s  %s\n", p.ID, p.Version, p.FailureMode); err != nil {
		return err
	}
	if err := d.printDryRun(plan); err != nil {
		return err
	}
	if !plan.Valid {
		return nil
	}
	return d.printf("Next: pipeweave trigger %s --input '{}' --wait\n", p.ID)
}

func newDeletePipelineCmd(d *deps) *cobra.Command {
	var o pipelinesOptions
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a pipeline that was defined by hand", Args: cobra.ExactArgs(1),
		Long: `Delete a pipeline that was defined by hand. Its runs stay. Where tasks give
rise to a pipeline of the same name, that one takes its place.`,
		ValidArgsFunction: d.completePipelines,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(o.remote)
			if err != nil {
				return err
			}
			gone, err := c.DeletePipeline(cmd.Context(), args[0])
			if err != nil {
				return named(conflicting(err, "pipeweave runs --pipeline "+args[0]), "pipeline", args[0], "pipeweave pipelines")
			}
			if o.json {
				return cliutil.JSON(d.Out, gone)
			}
			return d.printf("Pipeline %s is deleted.\n", args[0])
		},
	}
	o.bind(cmd)
	return cmd
}

// completionTime is how long a shell waits for names before it offers none.
const completionTime = 80 * time.Millisecond

// completePipelines offers the pipelines of the server, if it answers at once.
func (d *deps) completePipelines(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	quiet := *d
	quiet.Err = io.Discard // a shell would show it in the middle of the line
	c, err := quiet.connect(remote{url: cmd.Flag("url").Value.String(), tokenFile: cmd.Flag("token-file").Value.String(), dataDir: cmd.Flag("data-dir").Value.String()})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	all, err := c.Pipelines(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, p := range all.Pipelines {
		names = append(names, p.ID)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
