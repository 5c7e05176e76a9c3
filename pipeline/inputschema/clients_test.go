package inputschema

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// What a client of the engine answers (new Date, new URL and RegExp of Node
// 20) is written down in testdata/clients.json; null is an expression that it
// refuses.
func TestClients(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/clients.json")
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Dates, URLs map[string]bool
		Patterns    [][3]any
	}
	if err := json.Unmarshal(data, &said); err != nil {
		t.Fatal(err)
	}
	if len(said.Dates) < 500 || len(said.URLs) < 100 || len(said.Patterns) < 50 {
		t.Fatalf("only %d dates, %d URLs and %d patterns", len(said.Dates), len(said.URLs), len(said.Patterns))
	}
	for text, want := range said.Dates {
		if isDateText(text) != want {
			t.Errorf("date %q: want %t", text, want)
		}
	}
	for text, want := range said.URLs {
		if isURL(text) != want {
			t.Errorf("URL %q: want %t", text, want)
		}
	}
	for _, row := range said.Patterns {
		source, _ := row[0].(string)
		text, _ := row[1].(string)
		var got any
		if p := compile(source); p != nil {
			got = p.matches(text, NewBudget())
		}
		if got != row[2] {
			t.Errorf("pattern %q on %q: got %v, want %v", source, text, got, row[2])
		}
	}
}

// Case C12: an expression that makes backtracking engines explode takes linear
// time, and one that needs such an engine is stopped.
func TestPattern_C12_bounded(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a", 1<<20) + "!"
	start := time.Now()
	if p := compile(`^(a+)+$`); p.linear == nil || p.matches(text, NewBudget()) {
		t.Error("not on the linear engine, or found")
	}
	b := NewBudget()
	p := compile(`^(?=(a+)+$)(a|aa)+$`)
	if p == nil || p.slow == nil {
		t.Fatal("not on the backtracking engine")
	}
	for range 100 {
		if p.matches(text[len(text)-60:], b) {
			t.Error("found")
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if b.left > 0 {
		t.Error("the budget was not used up, so nothing was shown")
	}
}
