package daemon

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/daemon/connectivity"
	"pipedai/daemon/localapi"
	"pipedai/enroll"
	"pipedai/manifest"
)

// Looking thoroughly at what stands between a host and its control planes. The
// command line does the same without a daemon.

var _ localapi.Doctor = (*host)(nil)

// examineLimit bounds one look, however many control planes there are.
const examineLimit = 30 * time.Second

// Checked is what the control planes to look at are found from.
type Checked struct {
	Entries        []manifest.Entry
	Credentials    enroll.Credentials
	CredentialsErr error           // why they could not be read
	Wanted         map[string]bool // normalized URLs; empty: all
	Connect        func(url string) string
	Command        func(args string) string
}

// PlanesToCheck lists every control plane and workspace of a host's workers and
// credentials, or those that are wanted.
func PlanesToCheck(c Checked) []connectivity.Plane {
	planes := &planeSet{wanted: c.Wanted}
	for _, e := range c.Entries {
		planes.entry(e)
	}
	for _, t := range c.Credentials.Tokens() {
		planes.add(t.APIURL, t.WorkspaceID, "") // the pool's are of no workspace
	}
	for _, base := range slices.Sorted(maps.Keys(c.Wanted)) {
		planes.add(base, "", "")
	}
	pools := map[string]bool{}
	for i := range planes.all {
		p := &planes.all[i]
		if !pools[p.URL] { // once for a control plane, however many workspaces
			pools[p.URL] = true
			p.Pool, p.PoolLogin = c.Credentials.Pool(p.URL), c.Command("login --scope pool --api-url "+ShellQuote(p.URL)+" --token-stdin")
		}
		if _, err := enroll.NormalizeURL(p.URL); err != nil {
			p.TokenErr = err // an old manifest may name a URL that no credential may be sent to
		} else {
			p.Token, p.TokenErr = c.Credentials.Operator(p.URL, p.WorkspaceID), c.CredentialsErr
		}
		p.Login = c.Connect(p.URL)
	}
	return planes.all
}

// Examine implements localapi.Doctor.
func (h *host) Examine(ctx context.Context) (api.ConnectivityReport, error) {
	entries, err := h.manifest.Entries(ctx)
	if err != nil {
		return api.ConnectivityReport{}, err
	}
	creds, credsErr := enroll.LoadCredentials(h.o.Dir.Credentials())
	if errors.Is(credsErr, enroll.ErrNoCredentials) {
		credsErr = nil
	}
	ctx, cancel := context.WithTimeout(ctx, examineLimit)
	defer cancel()
	examiner := connectivity.Examiner{GOOS: runtime.GOOS}
	return examiner.ExamineAll(ctx, PlanesToCheck(Checked{
		Entries: entries, Credentials: creds, CredentialsErr: credsErr, Connect: h.connect, Command: h.command,
	})), nil
}

// planeSet gathers workspaces of control planes, each once.
type planeSet struct {
	wanted map[string]bool // empty: all
	all    []connectivity.Plane
}

func (s *planeSet) entry(e manifest.Entry) {
	worker := e.ID
	if e.Mode == manifest.ModePool {
		worker = ""
	}
	s.add(e.APIURL, e.WorkspaceID, worker)
}

// add takes a workspace in. A control plane without one is only looked at when
// nothing else of it is.
func (s *planeSet) add(apiURL, workspaceID, workerID string) {
	base, err := enroll.NormalizeURL(apiURL)
	if err != nil {
		base = strings.TrimRight(apiURL, "/")
	}
	if len(s.wanted) > 0 && !s.wanted[base] {
		return
	}
	for i, p := range s.all {
		if p.URL != base || workspaceID != "" && p.WorkspaceID != "" && p.WorkspaceID != workspaceID {
			continue
		}
		if p.WorkspaceID == "" {
			s.all[i].WorkspaceID = workspaceID
		}
		if p.WorkerID == "" {
			s.all[i].WorkerID = workerID
		}
		return
	}
	s.all = append(s.all, connectivity.Plane{URL: base, WorkspaceID: workspaceID, WorkerID: workerID})
}
