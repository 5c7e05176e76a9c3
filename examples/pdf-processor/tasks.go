package main

import (
	"time"

	"pipedai/worker"
)

// Tasks of the pipeline, and the names of what they pass on.
const (
	taskDownload = "download"
	taskText     = "extract-text"
	taskTables   = "extract-tables"
	taskSummary  = "summarize"

	assetDocument = "document.pdf"
	assetText     = "text.txt"
)

// Input is what the pipeline is triggered with.
type Input struct {
	// PDFURL is an http, https or file URL, or the absolute path of a file on
	// the worker's machine.
	PDFURL string `json:"pdfUrl"`
	// ExtractTables is true unless it is switched off.
	ExtractTables *bool `json:"extractTables"`
}

func (in Input) wantsTables() bool { return in.ExtractTables == nil || *in.ExtractTables }

// tasks is the whole program: four tasks of one service.
func tasks() *worker.Set {
	set := worker.NewSet("pdf-processor", "1.0.0")
	worker.Register(set, worker.Task{
		ID: taskDownload, AllowedNext: []string{taskText, taskTables}, Timeout: 2 * time.Minute,
		Description: "Fetches the PDF and keeps it for the other tasks",
	}, download)
	worker.Register(set, worker.Task{
		ID: taskText, AllowedNext: []string{taskSummary}, Timeout: 2 * time.Minute,
		Description: "Reads the text of every page",
	}, extractText)
	worker.Register(set, worker.Task{
		ID: taskTables, AllowedNext: []string{taskSummary}, Timeout: 2 * time.Minute,
		Description: "Finds tables and keeps them as CSV and JSON",
	}, extractTables)
	worker.Register(set, worker.Task{
		ID: taskSummary, Timeout: time.Minute,
		Description: "Puts together what the others found",
	}, summarize)
	return set
}
