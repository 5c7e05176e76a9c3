package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pipedai/internal/cliutil"
)

func newConfigCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Show how the server is configured", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShowCmd(d))
	return cmd
}

func newConfigShowCmd(d *deps) *cobra.Command {
	var origin, asJSON bool
	table := serveSettings()
	cmd := &cobra.Command{
		Use: "show", Short: "Show every setting that `pipeweave serve` would use", Args: cobra.NoArgs,
		Long: `Show every setting that "pipeweave serve" would use when it were started here and
now with the same flags, and with --origin where each comes from. Secrets are
never shown.`,
		Example: "  pipeweave config show --origin\n  pipeweave config show --config /etc/pipeweave.yaml --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runConfigShow(d, table, cmd.Flags(), origin, asJSON)
		},
	}
	bindSettings(cmd.Flags(), table)
	cmd.Flags().BoolVar(&origin, "origin", false, "show where each value comes from")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// settingView is a setting in --json.
type settingView struct {
	Key    string   `json:"key"`
	Value  string   `json:"value"`
	Origin string   `json:"origin"`
	Flag   string   `json:"flag,omitempty"`
	Env    []string `json:"env,omitempty"`
}

func runConfigShow(d *deps, table []setting, flags *pflag.FlagSet, origin, asJSON bool) error {
	all, err := resolveSettings(table, flags, d.Getenv)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "")
	}
	// What is wrong with a value is a warning here: to show it is how one finds out.
	if _, err := resolveServe(all, d.Getenv); err != nil {
		d.notef("warning: the server would not start like this: %v\n", err)
	}
	all.derive(d.Getenv)
	if asJSON {
		views := []settingView{}
		for _, s := range table {
			c := all[s.key]
			views = append(views, settingView{c.key, c.shown(), c.origin, c.flag, c.env})
		}
		return cliutil.JSON(d.Out, views)
	}
	header := []string{"SETTING", "VALUE"}
	if origin {
		header = append(header, "ORIGIN")
	}
	var rows [][]string
	for _, s := range table {
		c := all[s.key]
		row := []string{c.key, first(c.shown(), "-")}
		if origin {
			row = append(row, c.origin)
		}
		rows = append(rows, row)
	}
	return cliutil.Table(d.Out, d.Width, header, rows)
}

// derive fills in the defaults that depend on other settings, for people to
// see.
func (all choices) derive(getenv func(string) string) {
	set := func(key, value, origin string) {
		if c := all[key]; c.value == "" && value != "" {
			c.value, c.origin = value, origin
			all[key] = c
		}
	}
	dir, err := resolveState(all["dataDir"].value, getenv)
	if err != nil {
		return
	}
	set("dataDir", dir.dir, "default")
	set("addr", "127.0.0.1:"+all["port"].value, all["port"].origin)
	url, origin, err := databaseFromEnv(getenv)
	if err == nil && url != "" {
		set("databaseUrl", url, origin)
	}
	set("databaseUrl", "sqlite:"+dir.database(), "default")
	if all["secretKey"].value == "" {
		set("secretKeyFile", dir.secretKey(), "default")
	}
}
