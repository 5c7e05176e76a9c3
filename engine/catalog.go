package engine

import (
	"sync"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// catalogAge is how long a graph that was found valid is trusted without
// looking again, should a notice of another replica be lost.
const catalogAge = 5 * time.Second

// catalog remembers facts about registered tasks that a trigger or a wake-up
// would otherwise read each time. It only saves reads: what it does not know
// is looked up, and every registration, here or elsewhere, empties it.
type catalog struct {
	mu       sync.Mutex
	age      int // counts the times it was emptied
	services map[pipeline.TaskID]pipeline.ServiceID
	valid    map[pipeline.ID]validated
	schemas  map[pipeline.TaskID]knownSchema
	parsed   map[pipeline.TaskID]parsedSchema // not emptied: an entry knows its text
}

// validated is a definition that was found valid.
type validated struct {
	updated time.Time // of the definition
	at      time.Time
}

func newCatalog() *catalog {
	c := &catalog{parsed: map[pipeline.TaskID]parsedSchema{}}
	c.forget()
	return c
}

func (c *catalog) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	c.services = map[pipeline.TaskID]pipeline.ServiceID{}
	c.valid = map[pipeline.ID]validated{}
	c.schemas = map[pipeline.TaskID]knownSchema{}
}

// learn notes which service runs a task.
func (c *catalog) learn(task pipeline.TaskID, service pipeline.ServiceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.services[task] = service
}

// servicesOf returns the services of tasks, and nil as soon as one is not
// known: then everybody has to be woken.
func (c *catalog) servicesOf(tasks []pipeline.TaskID) []pipeline.ServiceID {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]pipeline.ServiceID, 0, len(tasks))
	for _, task := range tasks {
		service, known := c.services[task]
		if !known {
			return nil
		}
		out = append(out, service)
	}
	return out
}

// isValid reports whether a definition is known to be valid. If not, age is
// what foundValid wants when it was looked up.
func (c *catalog) isValid(p store.Pipeline) (valid bool, age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, known := c.valid[p.ID]
	return known && v.updated.Equal(p.UpdatedAt) && time.Since(v.at) < catalogAge, c.age
}

// foundValid notes that a definition is valid, unless a registration came
// between the look and this call.
func (c *catalog) foundValid(p store.Pipeline, age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.age == age {
		c.valid[p.ID] = validated{updated: p.UpdatedAt, at: time.Now()}
	}
}
