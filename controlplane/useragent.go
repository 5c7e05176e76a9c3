package controlplane

import "strings"

// agent is what a program that asks to join says of itself in its User-Agent:
// "pipedai-orchestrator/1.4.2 (Debian GNU/Linux 12 (bookworm); amd64)". It is for
// the eyes of the person who decides, and proves nothing.
type agent struct{ version, osVersion, arch string }

// agentOf reads one. Of another program it knows nothing.
func agentOf(text string) agent {
	rest, ours := strings.CutPrefix(text, "pipedai-orchestrator/")
	if !ours {
		return agent{}
	}
	version, comment, _ := strings.Cut(rest, " ")
	out := agent{version: version}
	comment, opened := strings.CutPrefix(comment, "(")
	comment, closed := strings.CutSuffix(comment, ")")
	if system, arch, both := strings.Cut(comment, "; "); opened && closed && both {
		out.osVersion, out.arch = system, arch
	}
	return out
}
