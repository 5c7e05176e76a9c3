package controlplane

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/rollout"
	"pipedai/store"
)

// rolloutPlan is what a rollout would be about.
type rolloutPlan struct {
	program, version, channel string
	release                   *store.Release // of an upgrade
	targets                   []plannedTarget
	leftOut                   []api.RolloutLeftOut
}

// plannedTarget is one host of it.
type plannedTarget struct {
	host    store.Host
	version string
	from    []store.RolloutWorker
	online  bool
	size    int64
}

func (p *rolloutPlan) leave(h store.Host, why string) {
	p.leftOut = append(p.leftOut, api.RolloutLeftOut{HostID: string(h.ID), Host: h.Name, Why: why})
}

func (p rolloutPlan) wire() api.RolloutPlan {
	out := api.RolloutPlan{Program: p.program, Version: p.version, Channel: p.channel, Targets: []api.RolloutTarget{}, LeftOut: orEmpty(p.leftOut)}
	if r := p.release; r != nil {
		out.Release = &api.PlannedRelease{
			KeyID: r.KeyID, Notes: notesOf(*r), PublishedAt: api.At(r.PublishedAt), PublishedBy: r.AddedBy, ExpiresAt: api.At(r.ExpiresAt),
		}
	}
	for _, t := range p.targets {
		out.Targets = append(out.Targets, api.RolloutTarget{
			HostID: string(t.host.ID), Host: t.host.Name, Version: t.version, From: versionsOf(t.from), State: string(rollout.Waiting),
			Online: t.online, Size: t.size, LastSeenAt: api.At(t.host.LastSeenAt), Workers: []api.OrderWorker{},
		})
	}
	return out
}

func (p rolloutPlan) start() []store.StartTarget {
	var out []store.StartTarget
	for _, t := range p.targets {
		out = append(out, store.StartTarget{Host: t.host.ID, Version: t.version, From: t.from})
	}
	return out
}

// nothing says why there is nothing to roll out.
func (p rolloutPlan) nothing() *api.Error {
	out := &api.Error{
		Status: http.StatusConflict, Code: api.CodeNothingToDo, Message: "There is no host to bring to " + p.program + " " + p.version,
		Extra: map[string]any{"leftOut": orEmpty(p.leftOut)},
	}
	var why []string
	for i, l := range p.leftOut {
		if i == 5 {
			why = append(why, fmt.Sprintf("and %d more", len(p.leftOut)-i))
			break
		}
		why = append(why, l.Host+": "+l.Why)
	}
	out.Detail = strings.Join(why, "; ")
	return out
}

// planUpgrade chooses the hosts of a rollout, and refuses one that cannot work:
// no such release, or none for a host that it is about.
func (s *Server) planUpgrade(ctx context.Context, req api.StartRolloutRequest) (rolloutPlan, error) {
	p := rolloutPlan{program: cmp.Or(req.Program, api.ProgramWorker), version: req.Version}
	found, err := s.releaseFor(ctx, p.program, req.Version, req.Channel)
	if err != nil {
		return p, err
	}
	p.version, p.channel, p.release = found.Version, found.Channel, &found
	hosts, named, err := s.hostsFor(ctx, req)
	if err != nil {
		return p, err
	}
	workers, err := s.st.Workers(ctx, caller(ctx).workspace)
	if err != nil {
		return p, err
	}
	kept := map[string][]store.Worker{}
	for _, w := range workers {
		kept[w.KeptBy()] = append(kept[w.KeptBy()], w)
	}
	var lacking, newer []string
	var ahead []store.Host // which newer names
	for _, h := range hosts {
		from, why := p.fits(h, kept[h.Name])
		if why != "" {
			p.leave(h, why)
			continue
		}
		if !hasArtifact(found, h) {
			lacking = append(lacking, fmt.Sprintf("%s (%s/%s)", h.Name, goOS(h.OS), h.Arch))
			continue
		}
		if slices.ContainsFunc(from, func(w store.RolloutWorker) bool { return release.Newer(w.From, p.version) }) {
			newer, ahead = append(newer, fmt.Sprintf("%s (%s)", h.Name, strings.Join(versionsOf(from), ", "))), append(ahead, h)
			continue
		}
		p.targets = append(p.targets, plannedTarget{
			host: h, version: p.version, from: from, online: s.o.Now().Sub(h.LastSeenAt) <= store.HostAway, size: sizeFor(found, h),
		})
	}
	switch {
	case len(lacking) > 0:
		return p, &api.Error{
			Status: http.StatusUnprocessableEntity, Code: api.CodeNoArtifact,
			Message: fmt.Sprintf("%s %s has no artifact for %s", p.program, p.version, few(lacking)),
			Fix:     "publish one for each of them, or name the hosts it is for with --hosts",
		}
	case len(newer) > 0 && (named || len(p.targets) == 0):
		return p, &api.Error{
			Status: http.StatusConflict, Code: api.CodeDowngrade,
			Message: fmt.Sprintf("%s is older than what runs on %s", p.version, few(newer)), Detail: "hosts refuse older versions, whoever asks",
			Fix: "take back the rollout that brought them there: pipeweave rollouts rollback ID",
		}
	}
	for _, h := range ahead {
		p.leave(h, "it runs a newer version")
	}
	return p, nil
}

// fits says what a host runs of the program, or why the rollout is not about
// it.
func (p rolloutPlan) fits(h store.Host, kept []store.Worker) (from []store.RolloutWorker, why string) {
	can := api.CapabilityUpgradeWorkers
	if p.program == api.ProgramOrchestrator {
		can = api.CapabilityUpgradeSelf
	}
	switch {
	case !h.RevokedAt.IsZero():
		return nil, "it was revoked"
	case h.LastSeenAt.IsZero():
		return nil, "it never checked in"
	case !slices.Contains(h.Capabilities, can):
		return nil, fmt.Sprintf("its daemon (%s) cannot be told to", cmp.Or(h.Version, "of an unknown version"))
	case p.program == api.ProgramOrchestrator:
		if h.Version == p.version {
			return nil, "it is on " + p.version
		}
		return []store.RolloutWorker{{Name: h.Name, From: h.Version}}, ""
	case len(kept) == 0:
		return nil, "it keeps no workers"
	}
	on := 0
	for _, w := range kept {
		from = append(from, store.RolloutWorker{Worker: string(w.ID), Name: cmp.Or(w.Label, w.Hostname), From: w.Version})
		if w.Version == p.version && p.program == api.ProgramWorker {
			on++
		}
	}
	if on == len(kept) {
		return nil, "it is on " + p.version
	}
	return from, ""
}

// hostsFor are the hosts that a request is about, in the order of their turns;
// named says that it names each of them.
func (s *Server) hostsFor(ctx context.Context, req api.StartRolloutRequest) (chosen []store.Host, named bool, err error) {
	all, err := s.st.Hosts(ctx, caller(ctx).workspace)
	if err != nil {
		return nil, false, err
	}
	if len(req.Hosts) > 0 {
		var unknown []string
		for _, want := range req.Hosts {
			i := slices.IndexFunc(all, func(h store.Host) bool { return string(h.ID) == want || h.Name == want })
			switch {
			case i < 0:
				unknown = append(unknown, want)
			case !slices.ContainsFunc(chosen, func(h store.Host) bool { return h.ID == all[i].ID }):
				chosen = append(chosen, all[i])
			}
		}
		if len(unknown) > 0 {
			return nil, false, &api.Error{
				Status: http.StatusUnprocessableEntity, Code: api.CodeNotFound, Message: "There is no host " + few(unknown), Fix: "see which there are: pipeweave hosts",
			}
		}
		all, named = chosen, true
	} else {
		all = slices.DeleteFunc(all, func(h store.Host) bool { return !h.RevokedAt.IsZero() })
	}
	if req.Label == "" {
		return all, named, nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(h store.Host) bool {
		match, err := path.Match(req.Label, h.Label)
		return err != nil || !match
	}), named, nil
}

// releaseFor is the release that hosts would install.
func (s *Server) releaseFor(ctx context.Context, program, wanted, channel string) (store.Release, error) {
	all, err := s.st.Releases(ctx, store.ReleaseFilter{Program: program, Version: wanted, Channel: channel})
	if err != nil {
		return store.Release{}, err
	}
	refuse := func(status int, code, message, fix string) (store.Release, error) {
		return store.Release{}, &api.Error{Status: status, Code: code, Message: message, Fix: fix}
	}
	what := program + " " + wanted
	if channel != "" {
		what += " on channel " + channel
	}
	if len(all) == 0 {
		return refuse(http.StatusUnprocessableEntity, api.CodeNoRelease, "There is no release "+what, "see which there are: pipeweave releases list")
	}
	slices.SortStableFunc(all, func(a, b store.Release) int { // "stable" first
		return strings.Compare(channelOrder(a.Channel), channelOrder(b.Channel))
	})
	current, err := s.currentKey(ctx)
	if err != nil {
		return store.Release{}, err
	}
	const again = "publish it once more: pipeweave releases publish"
	var why error
	for _, r := range all {
		switch s.releaseState(r, current) {
		case api.ReleaseYanked:
			_, why = refuse(http.StatusConflict, api.CodeReleaseYanked, what+" was yanked: "+cmp.Or(r.YankReason, "no reason is given"), "choose another version: pipeweave releases list")
		case api.ReleasePending:
			_, why = refuse(http.StatusConflict, api.CodeNoRelease, what+" lacks the bytes of some artifacts", again)
		case api.ReleaseOldKey:
			_, why = refuse(http.StatusConflict, api.CodeReleaseKey, what+" was signed by a key that was replaced, and hosts refuse it", again)
		case api.ReleaseExpired:
			_, why = refuse(http.StatusConflict, api.CodeReleaseExpired, what+" has expired, and hosts refuse it", again)
		default:
			return r, nil
		}
	}
	return store.Release{}, why
}

func channelOrder(channel string) string {
	if channel == api.DefaultChannel {
		return ""
	}
	return channel
}

// hasArtifact reports whether a release has a file for a host. One that has not
// said what it is may have one: it finds out by itself.
func hasArtifact(r store.Release, h store.Host) bool {
	return h.OS == "" || h.Arch == "" || slices.ContainsFunc(r.Artifacts, func(a store.ReleaseArtifact) bool {
		return a.OS == goOS(h.OS) && a.Arch == h.Arch
	})
}

// notesOf is what was signed about what is new in a release.
func notesOf(r store.Release) string {
	var envelope api.Envelope
	var manifest api.ReleaseManifest
	if json.Unmarshal(r.Envelope, &envelope) != nil || json.Unmarshal(envelope.Payload, &manifest) != nil {
		return ""
	}
	return manifest.Notes
}

// sizeFor is how large the file for a host is.
func sizeFor(r store.Release, h store.Host) int64 {
	for _, a := range r.Artifacts {
		if a.OS == goOS(h.OS) && a.Arch == h.Arch {
			return a.Size
		}
	}
	return 0
}

// goOS is an operating system as Go and releases name it.
func goOS(wire string) string {
	if wire == "win32" {
		return "windows"
	}
	return wire
}

// planRollback takes every host that a rollout changed, or may have, back to
// the version that most of its workers ran before.
func (s *Server) planRollback(ctx context.Context, r store.Rollout) (rolloutPlan, error) {
	p := rolloutPlan{program: r.Program, channel: r.Channel}
	targets, err := s.st.RolloutTargets(ctx, r.ID)
	if err != nil {
		return p, err
	}
	all, err := s.st.Hosts(ctx, r.Workspace)
	if err != nil {
		return p, err
	}
	hosts := map[store.HostID]store.Host{}
	for _, h := range all {
		hosts[h.ID] = h
	}
	most := map[string]int{}
	for _, t := range slices.Backward(targets) { // the last to change is the first to go back
		h, ok := hosts[t.ID]
		back := before(t)
		switch {
		case t.Order == "", t.Settled && t.State != rollout.Done && !touched(t):
			continue // as it was
		case !ok || !h.RevokedAt.IsZero():
			continue
		case back == "":
			p.leave(h, "nobody knows which version it ran before")
			continue
		}
		from := []store.RolloutWorker{{Name: h.Name, From: t.Version}}
		p.targets = append(p.targets, plannedTarget{host: h, version: back, from: from, online: t.Online})
		if most[back]++; most[back] > most[p.version] {
			p.version = back
		}
	}
	return p, nil
}

// touched reports whether some of a host's workers were brought to the version,
// although not all of them were.
func touched(t store.RolloutTarget) bool {
	return slices.ContainsFunc(t.Workers, func(w store.RolloutWorker) bool { return w.Status == api.OrderWorkerDone })
}

// before is the version that most workers of a target ran, as the host said, or
// else as was known when the rollout began; the newest of several.
func before(t store.RolloutTarget) string {
	best, counts := "", map[string]int{}
	for _, list := range [][]store.RolloutWorker{t.Workers, t.From} {
		for _, w := range list {
			if w.From == "" || w.From == t.Version {
				continue
			}
			counts[w.From]++
			if best == "" || counts[w.From] > counts[best] || counts[w.From] == counts[best] && release.Newer(w.From, best) {
				best = w.From
			}
		}
		if best != "" {
			break
		}
	}
	return best
}

// few lists the first of some names.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
