package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pipedai/api"
	"pipedai/internal/atomicfile"
	"pipedai/internal/cliutil"
	"pipedai/internal/settings"
)

func newConfigCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Show and change the daemon's settings", Args: cobra.NoArgs,
		Long: configText(),
		Example: `  pipedai-orchestrator config show --origin
  pipedai-orchestrator config set stopGrace 30m`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShowCmd(d), newConfigSetCmd(d), newConfigUnsetCmd(d))
	return cmd
}

func configText() string {
	var text strings.Builder
	text.WriteString(`Shows and changes the settings of the daemon. A flag of "start" wins over the
environment, that over the configuration file, that over the default. The file
is orchestrator/config.yaml in the home, or what --config or PIPEDAI_CONFIG
names. Its keys:

`)
	for _, s := range daemonSettings() {
		if !s.NoFile {
			fmt.Fprintf(&text, "    %-14s %s\n", s.Key, s.Usage)
		}
	}
	text.WriteString(`
For example:

    port: 4600
    stopGrace: 30m`)
	return text.String()
}

func newConfigShowCmd(d *deps) *cobra.Command {
	var origin, asJSON bool
	cmd := &cobra.Command{
		Use: "show", Short: "Show every setting that `start` would use", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Shows every setting that "start" would use when it were called here and now with
the same flags, and with --origin where each comes from. A service may have
another environment: what its daemon was started with is in its unit.`,
		Example: `  pipedai-orchestrator config show --origin
  pipedai-orchestrator config show --port 4600 --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runConfigShow(d, cmd.Flags(), origin, asJSON)
		},
	}
	daemonSettings().Bind(cmd.Flags())
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

func settingViews(all settings.Choices) []settingView {
	views := []settingView{}
	for _, s := range daemonSettings() {
		c := all[s.Key]
		views = append(views, settingView{c.Key, c.Value, c.Origin, c.Flag, c.Env})
	}
	return views
}

// shownConfig is what the daemon tells of its settings. A URL may hold a
// password, which is nobody's business there.
func shownConfig(all settings.Choices, file string) api.HostConfig {
	out := api.HostConfig{File: file}
	for _, s := range daemonSettings() {
		c := all[s.Key]
		out.Items = append(out.Items, api.HostSetting{
			Key: c.Key, Value: withoutPasswords(c.Value), Origin: c.Origin, Usage: s.Usage, Flag: c.Flag, Env: c.Env,
		})
	}
	return out
}

// withoutPasswords blots out those of the URLs in a value.
func withoutPasswords(value string) string {
	parts := strings.Split(value, ",")
	for i, part := range parts {
		if u, err := url.Parse(strings.TrimSpace(part)); err == nil && u.User != nil {
			parts[i] = u.Redacted()
		}
	}
	return strings.Join(parts, ",")
}

func runConfigShow(d *deps, flags *pflag.FlagSet, origin, asJSON bool) error {
	all, err := d.resolve(flags)
	if err != nil {
		return err
	}
	views := settingViews(all)
	if asJSON {
		return cliutil.JSON(d.streams.Out, map[string]any{"items": views})
	}
	header := []string{"SETTING", "VALUE"}
	if origin {
		header = append(header, "ORIGIN")
	}
	var rows [][]string
	for _, v := range views {
		row := []string{v.Key, v.Value}
		if v.Value == "" {
			row[1] = "-"
		}
		if origin {
			row = append(row, v.Origin)
		}
		rows = append(rows, row)
	}
	return cliutil.Table(d.streams.Out, d.streams.Width, header, rows)
}

func newConfigSetCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set <setting> <value>", Short: "Write a setting into the configuration file", Args: cobra.ExactArgs(2),
		Example:           "  pipedai-orchestrator config set port 4600",
		ValidArgsFunction: completeSetting,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.editConfig(cmd.Flags(), args[0], func(data []byte) ([]byte, error) {
				return daemonSettings().Put(data, args[0], args[1])
			})
		},
	}
	bindConfigFile(cmd)
	return cmd
}

func newConfigUnsetCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "unset <setting>", Short: "Take a setting out of the configuration file", Args: cobra.ExactArgs(1),
		Example:           "  pipedai-orchestrator config unset port",
		ValidArgsFunction: completeSetting,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.editConfig(cmd.Flags(), args[0], func(data []byte) ([]byte, error) {
				return daemonSettings().Drop(data, args[0])
			})
		},
	}
	bindConfigFile(cmd)
	return cmd
}

func bindConfigFile(cmd *cobra.Command) {
	s, _ := daemonSettings().Find(keyConfig)
	settings.Table{s}.Bind(cmd.Flags())
}

func completeSetting(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, s := range daemonSettings() {
		if !s.NoFile {
			out = append(out, cobra.CompletionWithDesc(s.Key, s.Usage))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// editConfig changes the configuration file and tells what counts now.
func (d *deps) editConfig(flags *pflag.FlagSet, key string, change func([]byte) ([]byte, error)) error {
	file, _, err := d.configFile(flags)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return d.explainHome(err)
	}
	wrong := false
	err = atomicfile.Update(file, 0o600, func(old []byte) ([]byte, error) {
		data, err := change(old)
		wrong = err != nil
		return data, err
	})
	switch {
	case wrong && errors.Is(err, settings.ErrUnknown):
		return cliutil.Fail(cliutil.ExitUsage, err, "see: "+d.command("config show"))
	case wrong:
		return cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("%s stays as it was: %w", file, err), "")
	case err != nil:
		return d.explainHome(err)
	}
	all, err := d.resolve(flags)
	if err != nil {
		return err
	}
	c := all[key]
	d.printf("%s is %s now (%s).\n", key, display(c.Value), c.Origin)
	if dir, err := d.dir(); err == nil {
		if _, err := os.Stat(dir.DaemonInfo()); err == nil {
			d.notef("A daemon that runs keeps what it was started with; workers do not notice: %s\n", d.command("restart"))
		}
	}
	return nil
}

func display(value string) string {
	if value == "" {
		return "not set"
	}
	return value
}
