package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

func newDLQGroupsCmd(d *deps) *cobra.Command {
	var r remote
	var pipeline, task string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "groups", Short: "List dead letters by task and by what their errors have in common", Args: cobra.NoArgs,
		Long: `List dead letters that failed alike together, the largest group first: those of one
task whose errors differ in no more than numbers, ids and what is quoted.`,
		Example: "  pipeweave dlq groups --pipeline pdf-processor",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			filter := url.Values{}
			for name, value := range map[string]string{"pipelineId": pipeline, "taskId": task} {
				if value != "" {
					filter.Set(name, value)
				}
			}
			got, err := c.LetterGroups(cmd.Context(), filter)
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, got)
			}
			if len(got.Groups) == 0 {
				return d.printf("No dead letters.\n")
			}
			var rows [][]string
			for _, g := range got.Groups {
				line, _, _ := strings.Cut(g.Error, "\n")
				rows = append(rows, []string{fmt.Sprint(g.Count), g.TaskID, d.ago(g.Newest), g.ExampleID, line})
			}
			if err := cliutil.Table(d.Out, d.Width, []string{"COUNT", "TASK", "LAST", "EXAMPLE", "ERROR"}, rows); err != nil {
				return err
			}
			if got.Rest > 0 {
				d.notef("%d smaller groups are left out.\n", got.Rest)
			}
			d.notef("Next: pipeweave dlq show %s\n", got.Groups[0].ExampleID)
			return nil
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "only of this pipeline")
	cmd.Flags().StringVar(&task, "task", "", "only of this task")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
