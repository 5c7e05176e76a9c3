package storage

// Where objects live. The engine decides the input paths; a worker decides
// the others and reports them, and whoever reads them takes them as they are.
//
// Paths of attempts contain the wire run id, which differs from attempt to
// attempt, so that a late writer never overwrites what the current attempt
// stored.

// PipelineInputPath is the input that all tasks of a pipeline run share.
func PipelineInputPath(run string) string { return "pipelines/" + run + "/input.json" }

// StandaloneInputPath is the input of a task run outside any pipeline.
func StandaloneInputPath(taskRun string) string { return "standalone/" + taskRun + "/input.json" }

// OutputPath is where an attempt stores its output. pipelineRun is empty
// outside a pipeline.
func OutputPath(pipelineRun, wire string) string {
	if pipelineRun == "" {
		return "runs/" + wire + "/output.json"
	}
	return "runs/" + pipelineRun + "/outputs/" + wire + ".json"
}

// AssetPath is where an attempt stores the asset of that key.
func AssetPath(pipelineRun, wire, key string) string {
	if pipelineRun == "" {
		return "runs/" + wire + "/assets/" + key
	}
	return "runs/" + pipelineRun + "/assets/" + wire + "/" + key
}

// LogsPath is where an attempt stores its log.
func LogsPath(pipelineRun, wire string) string {
	if pipelineRun == "" {
		return "runs/" + wire + "/logs.jsonl"
	}
	return "runs/" + pipelineRun + "/logs/" + wire + ".jsonl"
}

// AssetType says how an asset is written and read back.
type AssetType string

// The asset types of the wire.
const (
	AssetJSON   AssetType = "json"
	AssetText   AssetType = "text"
	AssetBinary AssetType = "binary"
)

// Content types of what a worker stores.
const (
	ContentJSON   = "application/json"
	ContentNDJSON = "application/x-ndjson"
	ContentText   = "text/plain"
	ContentBinary = "application/octet-stream"
)

// ContentType is the content type an asset of this type is stored under.
func (t AssetType) ContentType() string {
	switch t {
	case AssetJSON:
		return ContentJSON
	case AssetText:
		return ContentText
	default:
		return ContentBinary
	}
}

// Valid reports whether t is one of the three types.
func (t AssetType) Valid() bool { return t == AssetJSON || t == AssetText || t == AssetBinary }
