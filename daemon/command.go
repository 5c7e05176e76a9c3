package daemon

import (
	"fmt"
	"strings"

	"pipedai/api"
	"pipedai/internal/hostdir"
)

// program is the name of the command line that looks after a host.
const program = api.ProgramOrchestrator

// Command words a command line so that it can be pasted. home is what --home
// has to be; empty leaves it out.
func Command(home, args string) string {
	if home == "" {
		return program + " " + args
	}
	return fmt.Sprintf("%s --home %s %s", program, ShellQuote(home), args)
}

// ShellQuote makes one word of a text in a command that is shown.
func ShellQuote(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// command words a command line for this host. Whoever reads it may have
// another environment than the daemon, so any home but the usual one is named.
func (h *host) command(args string) string {
	home := h.o.Dir.Home()
	if usual, err := hostdir.Resolve(func(string) string { return "" }); err == nil && usual.Home() == home {
		home = ""
	}
	return Command(home, args)
}

// connect words the command that brings a credential of a control plane.
func (h *host) connect(apiURL string) string {
	return h.command("connect --api-url " + ShellQuote(apiURL))
}
