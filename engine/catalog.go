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
	store.Pipeline
	at time.Time
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

// validPipeline returns a definition that is known to be valid. If there is none, age
// is what foundValid wants when it was looked up. A run starts with the
// definition of the moment, whatever is remembered here: that only spares a
// trigger the look whether it makes sense.
func (c *catalog) validPipeline(id pipeline.ID) (p store.Pipeline, age int, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, known := c.valid[id]
	return v.Pipeline, c.age, known && time.Since(v.at) < catalogAge
}

// foundValid notes that a definition is valid, unless a registration came
// between the look and this call.
func (c *catalog) foundValid(p store.Pipeline, age int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.age == age {
		c.valid[p.ID] = validated{p, time.Now()}
	}
}
