package controlplane

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/store"
)

// Who may read releases, publish them, and say which key signs them. The latter
// two are for the default workspace alone: hosts of all of them install what is
// published.
var (
	releasesView   = access{role: roleViewer, kinds: []string{kindHost, kindWorker}}
	releasesChange = access{role: roleOperator}
	releasesKey    = access{role: roleAdmin}
)

// releases answers GET /api/v1/releases/latest. Of a program without a release
// on the channel, the newest version that a server can vouch for is its own.
func (s *Server) releases(ctx context.Context, _ none) (api.Releases, error) {
	q := queryOf(ctx)
	out := api.Releases{Channel: channelOf(q)}
	if err := q.err(); err != nil {
		return api.Releases{}, err
	}
	newest, err := s.newest.get(ctx, s)
	if err != nil {
		return api.Releases{}, err
	}
	for program, to := range map[string]*api.Release{
		api.ProgramWorker: &out.Worker, api.ProgramOrchestrator: &out.Orchestrator, api.ProgramControlPlane: &out.ControlPlane,
	} {
		if found, ok := newest[programChannel{program, out.Channel}]; ok {
			*to = api.Release{Latest: found.Version, Source: "release", Sequence: found.Sequence, KeyID: found.KeyID}
			continue
		}
		*to = api.Release{Latest: cmp.Or(s.o.Version, "unknown"), Source: "control-plane"}
	}
	return out, nil
}

// channelOf reads ?channel=.
func channelOf(q *query) string {
	channel := cmp.Or(q.text("channel"), api.DefaultChannel)
	if err := release.CheckChannel(channel); err != nil {
		q.problems.Add([]string{"channel"}, err.Error())
	}
	return channel
}

// programChannel is where versions follow each other.
type programChannel struct{ program, channel string }

// newestKept is how long what is newest is remembered: anybody may ask for it.
const newestKept = 2 * time.Second

// newestReleases remembers for a moment which release is the newest of each
// program and channel.
type newestReleases struct {
	mu    sync.Mutex
	until time.Time
	known map[programChannel]store.Release
}

func (n *newestReleases) get(ctx context.Context, s *Server) (map[programChannel]store.Release, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known != nil && s.o.Now().Before(n.until) {
		return n.known, nil
	}
	current, err := s.currentKey(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.st.Releases(ctx, store.ReleaseFilter{})
	if err != nil {
		return nil, err
	}
	known := map[programChannel]store.Release{}
	for _, r := range all {
		at := programChannel{r.Program, r.Channel}
		if best, ok := known[at]; s.releaseState(r, current) == api.ReleasePublished && (!ok || release.Newer(r.Version, best.Version)) {
			known[at] = r
		}
	}
	n.known, n.until = known, s.o.Now().Add(newestKept)
	return known, nil
}

// forget makes what is newest be looked up again.
func (n *newestReleases) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = nil
}

// currentKey is the id of the key that signs releases; empty for none.
func (s *Server) currentKey(ctx context.Context) (string, error) {
	keys, err := s.st.ReleaseKeys(ctx)
	if err != nil || len(keys) == 0 {
		return "", err
	}
	return keys[len(keys)-1].ID, nil
}

// releaseState is what a release is, for hosts and operators.
func (s *Server) releaseState(r store.Release, currentKey string) string {
	switch {
	case !r.YankedAt.IsZero():
		return api.ReleaseYanked
	case r.PublishedAt.IsZero():
		return api.ReleasePending
	case r.KeyID != currentKey:
		return api.ReleaseOldKey
	case !s.o.Now().Before(r.ExpiresAt):
		return api.ReleaseExpired
	default:
		return api.ReleasePublished
	}
}

// releaseList answers GET /api/v1/releases: by program, then channel, then
// sequence, the highest first. Who cannot publish does not see what is pending.
func (s *Server) releaseList(ctx context.Context, _ none) (api.PublishedReleases, error) {
	q := queryOf(ctx)
	program, channel, yanked := q.text("program"), q.text("channel"), q.text("yanked")
	if yanked != "" && yanked != "true" && yanked != "false" {
		q.problems.Add([]string{"yanked"}, "Expected true or false")
	}
	if err := q.err(); err != nil {
		return api.PublishedReleases{}, err
	}
	current, err := s.currentKey(ctx)
	if err != nil {
		return api.PublishedReleases{}, err
	}
	all, err := s.st.Releases(ctx, store.ReleaseFilter{Program: program, Channel: channel})
	if err != nil {
		return api.PublishedReleases{}, err
	}
	out := api.PublishedReleases{Items: []api.PublishedRelease{}}
	for _, r := range all {
		wire, err := s.wireRelease(r, current)
		if err != nil {
			return api.PublishedReleases{}, err
		}
		if !seesRelease(ctx, wire.State) || yanked != "" && (wire.State == api.ReleaseYanked) != (yanked == "true") {
			continue
		}
		wire.Envelope = nil
		out.Items = append(out.Items, wire)
	}
	return out, nil
}

// seesRelease reports whether the caller sees a release in that state.
func seesRelease(ctx context.Context, state string) bool {
	return state != api.ReleasePending || caller(ctx).kind == kindOperator
}

// showRelease answers GET /api/v1/releases/{program}/{version}. Without a
// channel, a version is looked for on the default one first and then on any.
func (s *Server) showRelease(ctx context.Context, _ none) (api.PublishedRelease, error) {
	program, version := pathValue(ctx, "program"), pathValue(ctx, "version")
	q := queryOf(ctx)
	channel := channelOf(q)
	if err := q.err(); err != nil {
		return api.PublishedRelease{}, err
	}
	current, err := s.currentKey(ctx)
	if err != nil {
		return api.PublishedRelease{}, err
	}
	if version == api.LatestVersion {
		newest, err := s.newest.get(ctx, s)
		if err != nil {
			return api.PublishedRelease{}, err
		}
		found, ok := newest[programChannel{program, channel}]
		if !ok {
			return api.PublishedRelease{}, noRelease(program, version, channel)
		}
		return s.wireRelease(found, current)
	}
	found, err := s.st.Releases(ctx, store.ReleaseFilter{Program: program, Version: version, Channel: q.text("channel")})
	if err != nil {
		return api.PublishedRelease{}, err
	}
	var best api.PublishedRelease
	for _, r := range found {
		wire, err := s.wireRelease(r, current)
		if err != nil {
			return api.PublishedRelease{}, err
		}
		// The one on the channel, and of that what hosts see rather than what is
		// on its way to replace it.
		better := best.Program == "" || wire.Channel == channel && best.Channel != channel ||
			wire.Channel == best.Channel && best.State == api.ReleasePending && wire.State != api.ReleasePending
		if seesRelease(ctx, wire.State) && better {
			best = wire
		}
	}
	if best.Program == "" {
		return api.PublishedRelease{}, noRelease(program, version, q.text("channel"))
	}
	return best, nil
}

func noRelease(program, version, channel string) error {
	extra := map[string]any{"program": program, "version": version}
	if channel != "" {
		extra["channel"] = channel
	}
	return &api.Error{Status: 404, Code: api.CodeNotFound, Message: "Release not found", Extra: extra}
}

// wireRelease is a release as clients see it, with its envelope.
func (s *Server) wireRelease(r store.Release, currentKey string) (api.PublishedRelease, error) {
	var envelope api.Envelope
	var manifest api.ReleaseManifest
	err := json.Unmarshal(r.Envelope, &envelope)
	if err == nil {
		err = json.Unmarshal(envelope.Payload, &manifest)
	}
	if err != nil {
		return api.PublishedRelease{}, fmt.Errorf("read release %s: %w", r.ID, err)
	}
	out := api.PublishedRelease{
		Program: r.Program, Version: r.Version, Channel: r.Channel, Sequence: r.Sequence,
		State: s.releaseState(r, currentKey), KeyID: r.KeyID, Notes: manifest.Notes,
		CreatedAt: api.At(r.CreatedAt), ExpiresAt: api.At(r.ExpiresAt), PublishedAt: api.At(r.PublishedAt), PublishedBy: r.AddedBy,
		YankedAt: api.At(r.YankedAt), YankedBy: r.YankedBy, YankReason: r.YankReason,
		Envelope: &envelope, Artifacts: []api.PublishedArtifact{},
	}
	stored := map[string]bool{}
	for _, a := range r.Artifacts {
		stored[a.Name] = a.Path != ""
	}
	for _, a := range manifest.Artifacts {
		out.Artifacts = append(out.Artifacts, api.PublishedArtifact{Artifact: a, Stored: stored[a.Name]})
	}
	return out, nil
}
