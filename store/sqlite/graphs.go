package sqlite

import (
	"encoding/json"

	"pipedai/pipeline"
)

// keptGraphs is how many bytes of snapshots the graphs kept were made from.
const keptGraphs = 8 << 20

// graphs keeps the graphs made from snapshots: runs of one pipeline share
// their text, and each end of a task asks for the graph of its run again.
type graphs struct {
	made  map[[2]string]*pipeline.Graph
	bytes int
}

// of is the graph of a snapshot and its entry tasks, both as they are stored.
func (g *graphs) of(structure, entries string) (*pipeline.Graph, error) {
	key := [2]string{structure, entries}
	if graph := g.made[key]; graph != nil {
		return graph, nil
	}
	var nodes pipeline.Structure
	if err := json.Unmarshal([]byte(structure), &nodes); err != nil {
		return nil, err
	}
	var first []pipeline.TaskID
	if err := json.Unmarshal([]byte(entries), &first); err != nil {
		return nil, err
	}
	if g.bytes += len(structure) + len(entries); g.made == nil || g.bytes > keptGraphs {
		g.made, g.bytes = map[[2]string]*pipeline.Graph{}, len(structure)+len(entries)
	}
	graph := pipeline.NewGraph(nodes, first)
	g.made[key] = graph
	return graph, nil
}
