package main

import (
	"pipedai/worker"
)

// Summary is the output of the pipeline.
type Summary struct {
	Source         string      `json:"source"`
	Title          string      `json:"title,omitempty"`
	Pages          int         `json:"pages"`
	Words          int         `json:"words"`
	Tables         int         `json:"tables"`
	TablesSearched bool        `json:"tablesSearched"` // false: nobody looked for tables
	TablePages     []int       `json:"tablePages"`
	TopWords       []WordCount `json:"topWords"`
}

// summarize joins one or both branches: without extract-tables it runs all the
// same.
func summarize(ctx *worker.Context, _ Input) (Summary, error) {
	var fetched Downloaded
	var text TextFound
	if err := ctx.Upstream(taskDownload, &fetched); err != nil {
		return Summary{}, err
	}
	if err := ctx.Upstream(taskText, &text); err != nil {
		return Summary{}, err
	}
	out := Summary{
		Source: fetched.Source, Title: text.Title, Pages: text.Pages, Words: text.Words, TablePages: []int{},
	}
	if ctx.HasUpstream(taskTables) {
		var tables TablesFound
		if err := ctx.Upstream(taskTables, &tables); err != nil {
			return Summary{}, err
		}
		out.Tables, out.TablePages, out.TablesSearched = tables.Tables, tables.Pages, true
	}
	words, err := ctx.Asset(text.Asset)
	if err != nil {
		return Summary{}, err
	}
	out.TopWords = topWords(string(words), 10)
	ctx.Log().Info("document summarised", "pages", out.Pages, "words", out.Words, "tables", out.Tables)
	return out, nil
}
