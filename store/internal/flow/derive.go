package flow

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"pipedai/pipeline"
	"pipedai/store"
)

// Where a definition comes from; kept in metadata.source.
const (
	SourceService = "service"
	SourceTask    = "task"
	SourceAPI     = "api"
	// SourceRemoved marks a definition that was deleted and is kept for its runs.
	// Only renewing and defining it anew see it.
	SourceRemoved = "removed"
)

// Derive returns the pipelines that follow from what is registered: one per
// service that has an entry task, one per entry task whose id is no service's.
// A service whose entry tasks would have too much of graphs between them has
// only its own.
// An entry is a task that no registered task leads to. Removed tasks count as
// not registered.
func Derive(services []store.Service, tasks []store.Task) []store.Pipeline {
	all := store.Registrations(tasks)
	owner := map[pipeline.TaskID]pipeline.ServiceID{}
	for _, t := range tasks {
		owner[t.ID] = t.Service
	}
	entries := map[pipeline.ServiceID][]pipeline.TaskID{}
	for _, id := range all.Entries() {
		entries[owner[id]] = append(entries[owner[id]], id)
	}

	var out []store.Pipeline
	taken := map[pipeline.ID]bool{}
	add := func(id pipeline.ID, of []pipeline.TaskID, version, source string) {
		meta, _ := json.Marshal(map[string]string{"source": source}) // two strings always encode
		out = append(out, store.Pipeline{
			ID: id, Name: string(id), EntryTasks: of, Structure: all.Reachable(of),
			FailureMode: pipeline.FailFast, Version: version, Source: source, Metadata: meta,
		})
	}
	for _, s := range services {
		taken[pipeline.ID(s.ID)] = true
		if len(entries[s.ID]) > 0 {
			add(pipeline.ID(s.ID), entries[s.ID], s.Version, SourceService)
		}
	}
	for _, s := range services {
		if len(entries[s.ID]) > 1 && !isSmall(all, entries[s.ID]) {
			continue
		}
		for _, entry := range entries[s.ID] {
			if id := pipeline.ID(entry); !taken[id] {
				add(id, []pipeline.TaskID{entry}, s.Version, SourceTask)
			}
		}
	}
	return out
}

// mostDerived bounds the graphs of the entry tasks of one service, together, in
// tasks and edges. A few thousand entries before one long chain would otherwise
// make gigabytes of a registration of a hundred kilobytes.
const mostDerived = 100_000

// isSmall reports whether the graphs of entries are within mostDerived.
func isSmall(all pipeline.Structure, entries []pipeline.TaskID) bool {
	size := 0
	for _, entry := range entries {
		for _, node := range all.Reachable([]pipeline.TaskID{entry}) {
			size += 1 + len(node.AllowedNext)
		}
		if size > mostDerived {
			return false
		}
	}
	return true
}

// Renew compares what is stored with what follows from what is registered.
// Put are definitions to write; gone are those that nothing leads to any more,
// which the store removes unless runs refer to them. Of explicit definitions
// only the graph is renewed: their entries lead where the tasks say now.
func Renew(stored []store.Pipeline, services []store.Service, tasks []store.Task) (put []store.Pipeline, gone []pipeline.ID) {
	byID := map[pipeline.ID]store.Pipeline{}
	for _, p := range stored {
		byID[p.ID] = p
	}
	still := map[pipeline.ID]bool{}
	for _, d := range Derive(services, tasks) {
		old, exists := byID[d.ID]
		if exists && isExplicit(old) {
			continue
		}
		still[d.ID] = true
		if !exists || !same(old, d) {
			put = append(put, d)
		}
	}
	all := store.Registrations(tasks)
	for _, p := range stored {
		switch {
		case isExplicit(p):
			if now := all.Reachable(p.EntryTasks); !sameGraph(p.Structure, now) {
				p.Structure = now
				put = append(put, p)
			}
		case !still[p.ID]:
			gone = append(gone, p.ID)
		}
	}
	return put, gone
}

// isExplicit reports whether people wrote p, possibly with another program.
func isExplicit(p store.Pipeline) bool {
	return p.Source != SourceService && p.Source != SourceTask && p.Source != SourceRemoved
}

func same(a, b store.Pipeline) bool {
	return a.Source == b.Source && a.Name == b.Name && a.Version == b.Version && a.FailureMode == b.FailureMode &&
		slices.Equal(a.EntryTasks, b.EntryTasks) && sameGraph(a.Structure, b.Structure)
}

func sameGraph(a, b pipeline.Structure) bool {
	return maps.EqualFunc(a, b, func(x, y pipeline.Node) bool { return slices.Equal(x.AllowedNext, y.AllowedNext) })
}

// Unchanged reports whether writing p over old would change nothing.
func Unchanged(old, p store.Pipeline) bool {
	return same(old, p) && old.Description == p.Description && sameJSON(old.Metadata, p.Metadata)
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// Deletable reports whether a definition is one that can be deleted: derived
// ones go with their tasks.
func Deletable(p store.Pipeline) bool { return isExplicit(p) }

// Explicit is p as a definition that people wrote: its metadata says so.
func Explicit(p store.Pipeline) store.Pipeline {
	meta := map[string]json.RawMessage{}
	_ = json.Unmarshal(Object(p.Metadata), &meta) // Object is one
	meta["source"] = json.RawMessage(`"` + SourceAPI + `"`)
	p.Metadata, _ = json.Marshal(meta)
	p.Source = SourceAPI
	if p.Version == "" {
		p.Version = "1.0.0"
	}
	if p.Name == "" {
		p.Name = string(p.ID)
	}
	if p.FailureMode == "" {
		p.FailureMode = pipeline.FailFast
	}
	return p
}
