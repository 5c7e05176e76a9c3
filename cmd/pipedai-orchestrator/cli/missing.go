package cli

import (
	"os"
	"path/filepath"
	"runtime"

	"pipedai/enroll"
)

// The ways in which the tasks of a workspace may use Claude, as control planes
// tell them.
const (
	authClaudeMax = "claude_max"
	authAPIKey    = "api_key"
)

// claudeLogins are the files below a person's home of which a signed-in Claude
// keeps one, on one system or another.
var claudeLogins = []string{
	".claude/.credentials.json", ".claude/credentials", ".config/claude/credentials", "AppData/Roaming/Claude/credentials",
}

// missing says what the connected worker still lacks to do anything, one
// sentence each. A worker with task files lacks nothing that we could know of:
// its tasks are programs of their own.
func (p *presenter) missing(r enroll.Result) []string {
	lines := []string{}
	if len(r.Tasks) > 0 {
		return lines
	}
	lines = append(lines, "It offers no tasks yet. Name some: "+p.d.command(p.o.again(r.APIURL)+" --tasks FILE"))
	switch {
	case r.AuthMode == authClaudeMax && !claudeLogin(p.d.streams.Getenv):
		lines = append(lines, "For tasks that use Claude, sign in on this host: claude login")
	case r.AuthMode == authAPIKey && p.d.streams.Getenv("ANTHROPIC_API_KEY") == "":
		lines = append(lines, "For tasks that use Claude, start the daemon with ANTHROPIC_API_KEY in its environment.")
	}
	return lines
}

// claudeLogin reports whether somebody signed in to Claude here. Where the
// system's keychain may hold the login, nobody can tell; it is believed.
func claudeLogin(getenv func(string) string) bool {
	if runtime.GOOS == "darwin" {
		return true
	}
	home := getenv("HOME")
	if runtime.GOOS == "windows" {
		home = getenv("USERPROFILE")
	}
	for _, file := range claudeLogins {
		if _, err := os.Stat(filepath.Join(home, filepath.FromSlash(file))); err == nil {
			return true
		}
	}
	return false
}
