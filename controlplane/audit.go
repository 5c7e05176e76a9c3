package controlplane

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// recorded says what using a route is in the audit log. A route that changes
// something names an action, or says why it is not recorded.
type recorded struct {
	action  string // "noun.verb"; empty: nothing is recorded
	refused bool   // only refusals are recorded
	why     string // why nothing is
}

// as names what using a route is called in the audit log.
func (rule access) as(action string) access {
	rule.audit = recorded{action: action}
	return rule
}

// asRefused is as for routes that are used too often to record each use: what
// they did stands elsewhere, and the audit log has who was kept from it.
func (rule access) asRefused(action string) access {
	rule.audit = recorded{action: action, refused: true}
	return rule
}

// unrecorded keeps a route that is not read with GET out of the audit log.
func (rule access) unrecorded(why string) access {
	rule.audit = recorded{why: why}
	return rule
}

// Why a route is not recorded.
const (
	changesNothing = "it changes nothing"
	clockwork      = "it is a clock, and decides nothing"
	workerTraffic  = "what workers say about their work stands on the runs and in their event logs"
)

// unnamed lists the routes that may change something and neither name an action
// for the audit log nor say why not. A server that has one does not start.
func unnamed(routes []route) error {
	var problems []error
	for _, r := range routes {
		method, _, _ := strings.Cut(r.pattern, " ")
		if method != http.MethodGet && r.access.audit.action == "" && r.access.audit.why == "" {
			problems = append(problems, fmt.Errorf(
				"route %s neither names what it is in the audit log, as in operate.as(\"run.cancel\"), nor says why it is not recorded", r.pattern))
		}
	}
	return errors.Join(problems...)
}
