package worker

import (
	"path/filepath"
	"strings"

	"pipedai/storage"
)

// A task that is a command is spoken to like this: it runs in the attempt's
// scratch folder, reads its input as JSON from stdin, and writes its output as
// JSON to stdout (nothing means null). The environment holds the facts below.
// Lines of stderr are log lines, unless they start with "::":
//
//	::progress 40 message
//	::next a,b            or ::next alone, for no successor
//	::error {"message":"...","code":"...","retryable":false,"details":...}
//	::log {"level":"warn","message":"...", further fields}
//	::asset {"key":"...","type":"json"}    for a file whose name does not tell its type
//
// An exit status other than 0 is a failure, retryable unless ::error says
// otherwise. To end it, its process group gets SIGTERM, and SIGKILL a while
// later.
const (
	EnvRunID            = "PIPEDAI_RUN_ID"
	EnvPipelineRunID    = "PIPEDAI_PIPELINE_RUN_ID"
	EnvTaskID           = "PIPEDAI_TASK_ID"
	EnvAttempt          = "PIPEDAI_ATTEMPT"
	EnvCodeVersion      = "PIPEDAI_CODE_VERSION"
	EnvCodeHash         = "PIPEDAI_CODE_HASH"
	EnvUpstreamDir      = "PIPEDAI_UPSTREAM_DIR"        // <task>.json per output of an earlier task
	EnvUpstreamOrder    = "PIPEDAI_UPSTREAM_TASKS"      // their tasks in order, separated by commas
	EnvUpstreamAssets   = "PIPEDAI_UPSTREAM_ASSETS_DIR" // one file per asset of earlier tasks
	EnvAssetsDir        = "PIPEDAI_ASSETS_DIR"          // files written there become assets
	EnvPreviousAttempts = "PIPEDAI_PREVIOUS_ATTEMPTS"   // JSON
	EnvUploads          = "PIPEDAI_UPLOADS"             // JSON: the uploaded files that the input names, by id
)

// Directives of the command protocol, as lines of stderr.
const (
	LineProgress = "::progress"
	LineNext     = "::next"
	LineError    = "::error"
	LineLog      = "::log"
	LineAsset    = "::asset"
)

// LineFailure is the value of an ::error line. Retryable is true when absent.
type LineFailure struct {
	Message   string `json:"message"`
	Code      string `json:"code,omitempty"`
	Retryable *bool  `json:"retryable,omitempty"`
	Details   any    `json:"details,omitempty"`
}

// LineNewAsset is the value of an ::asset line.
type LineNewAsset struct {
	Key  string            `json:"key"`
	Type storage.AssetType `json:"type"`
}

// AssetTypeOf is the type that a file's name tells.
func AssetTypeOf(name string) storage.AssetType {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json":
		return JSON
	case ".txt", ".md", ".csv":
		return Text
	default:
		return Binary
	}
}
