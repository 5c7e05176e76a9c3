package cliutil

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Look gives a command tree its help: what a command is for, examples before
// flags, commands by group, and last what leads on. learn is that last line;
// empty leaves it out. Help that was asked for goes to standard output.
func Look(root *cobra.Command, learn string) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		cmd.InitDefaultHelpFlag()
		_, _ = io.WriteString(cmd.OutOrStdout(), help(cmd, learn)) // a terminal that is gone is nobody to tell
	})
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), "Usage: "+usageLine(cmd)+"\n")
		return err
	})
}

func usageLine(cmd *cobra.Command) string {
	if !cmd.Runnable() && cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " <command>"
	}
	return cmd.UseLine()
}

func help(cmd *cobra.Command, learn string) string {
	var out strings.Builder
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(&out, "%s\n", strings.TrimSpace(about))
	if cmd.Example != "" {
		fmt.Fprintf(&out, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n "))
	}
	if cmd.IsAdditionalHelpTopicCommand() {
		return out.String()
	}
	fmt.Fprintf(&out, "\nUsage:\n  %s\n", usageLine(cmd))
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&out, "\nAlso called: %s\n", strings.Join(cmd.Aliases, ", "))
	}
	for _, group := range CommandGroups(cmd) {
		fmt.Fprintf(&out, "\n%s:\n", group.Title)
		for _, sub := range group.Commands {
			fmt.Fprintf(&out, "  %-*s  %s\n", longestName(cmd), sub.Name(), sub.Short)
		}
	}
	flagHelp(&out, "Flags", cmd.LocalFlags())
	flagHelp(&out, "Flags of every command", cmd.InheritedFlags())
	if learn != "" {
		fmt.Fprintf(&out, "\n%s\n", learn)
	}
	return out.String()
}

func longestName(cmd *cobra.Command) int {
	longest := 0
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			longest = max(longest, len(sub.Name()))
		}
	}
	return longest
}

func flagHelp(out *strings.Builder, title string, flags *pflag.FlagSet) {
	if usages := strings.TrimRight(flags.FlagUsages(), "\n "); usages != "" {
		fmt.Fprintf(out, "\n%s:\n%s\n", title, usages)
	}
}

// CommandGroup is commands that belong together.
type CommandGroup struct {
	Title    string
	Commands []*cobra.Command
}

// CommandGroups sorts the commands below cmd that a person may use: those of
// each group in the order of the groups, then the rest, then what is only to
// be read.
func CommandGroups(cmd *cobra.Command) []CommandGroup {
	var out []CommandGroup
	add := func(title string, belongs func(*cobra.Command) bool) {
		group := CommandGroup{Title: title}
		for _, sub := range cmd.Commands() {
			if belongs(sub) {
				group.Commands = append(group.Commands, sub)
			}
		}
		if len(group.Commands) > 0 {
			out = append(out, group)
		}
	}
	shown := func(c *cobra.Command) bool { return c.IsAvailableCommand() || c.Name() == "help" }
	for _, group := range cmd.Groups() {
		add(group.Title, func(c *cobra.Command) bool { return c.GroupID == group.ID && shown(c) })
	}
	title := "Commands"
	if len(out) > 0 {
		title = "Other"
	}
	add(title, func(c *cobra.Command) bool { return c.GroupID == "" && shown(c) })
	add("To read", func(c *cobra.Command) bool { return c.IsAdditionalHelpTopicCommand() && c.Name() != "help" })
	return out
}
