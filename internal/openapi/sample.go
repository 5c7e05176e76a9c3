package openapi

import (
	"bytes"
	"encoding/json"
	"strings"
)

// samples are texts that look like those of the wire, by the name of a member
// or wildcard, or by object and member.
var samples = map[string]string{
	"id": "pdf", "runId": "trun_0123456789abcdef", "taskRunId": "trun_0123456789abcdef", "pipelineRunId": "prun_0123456789abcdef",
	"taskId": "extract", "serviceId": "pdf", "pipelineId": "pdf", "workerId": "wrk_1", "workspaceId": "ws_default", "ws": "ws_default",
	"environmentId": "env_default", "version": "1.0.0", "pipelineVersion": "1.0.0", "service_version": "1.0.0", "latest": "1.0.0",
	"codeHash": "5e1f0a2b3c4d5e6f", "code_hash": "5e1f0a2b3c4d5e6f", "oldHash": "5e1f0a2b3c4d5e6f", "newHash": "0011223344556677",
	"baseUrl": "http://10.0.0.7:8080", "apiUrl": "http://127.0.0.1:3000", "endpoint": "file://", "provider": "local", "database": "sqlite",
	"inputPath": "pipelines/prun_0123456789abcdef/input.json", "outputPath": "runs/prun_0123456789abcdef/outputs/trun_0123456789abcdef.json",
	"path": "runs/prun_0123456789abcdef/outputs/trun_0123456789abcdef.json", "failureMode": "fail-fast", "failure_mode": "fail-fast",
	"mode": "running", "maintenanceMode": "running", "message": "Orchestrator is running normally", "hostname": "box", "os": "linux",
	"name": "pdf", "retryBackoff": "exponential", "role": "admin", "kind": "pwk", "source": "control-plane", "defaultStorageBackend": "local",
	"default": "local", "bucket": "data", "entryTasks": "download", "entry_tasks": "download", "queuedTasks": "trun_0123456789abcdef",
	"allowedNext": "extract", "storageBackends": "local", "tasks": "download", "status": "running", "userCode": "WDJB-MJHT",
	"deviceCode": "dvc_…", "code": "enr_…", "workerToken": "wkt_…", "operatorToken": "hos_…", "storageToken": "…", "authMode": "api_key",
	"verificationUri": "http://127.0.0.1:3000/activate", "verificationUriComplete": "http://127.0.0.1:3000/activate?code=WDJB-MJHT",
	"Health.status": "ok", "Health.database": "connected", "Info.mode": "standalone", "Service.status": "active", "Tick.status": "ok",
	"TaskRun.id": "trun_0123456789abcdef", "TaskRun.message": "page 4 of 10", "Run.id": "prun_0123456789abcdef", "RunDetail.id": "prun_0123456789abcdef",
	"QueuedTask.status": "queued", "QueuedTask.inputPath": "standalone/trun_0123456789abcdef/input.json", "QueueItem.status": "pending",
	"Task.id": "extract", "StorageBackend.id": "local", "Enrollment.id": "ent_1", "Enrollment.kind": "device", "Enrollment.status": "approved",
	"DeviceStart.id": "ent_1", "IssuedCode.id": "ent_1", "IssuedCode.kind": "code", "IssuedCode.status": "approved", "Session.name": "ci",
	"Session.build": "1.0.0", "RemoteWorker.id": "wrk_1", "HealthFailure.status": "error", "HealthFailure.error": "the database does not answer",
	"PipelineDetail.name": "pdf", "WorkerBeatResponse.cancel": "trun_0123456789abcdef",
	"dlqId": "dlq_0123456789abcdef", "uploadId": "tmp_0123456789abcdefghijk",
}

// sampleText is a text for a name; tag says which kind of thing an id is of.
func sampleText(name, tag string) string {
	if name == "id" {
		switch tag {
		case "runs":
			return samples["pipelineRunId"]
		case "reports of workers":
			return samples["runId"]
		case "tasks":
			return samples["taskId"]
		case "workers":
			return samples["workerId"]
		case "enrollments":
			return "ent_1"
		case "dead letters":
			return samples["dlqId"]
		case "uploads":
			return samples["uploadId"]
		}
	}
	if text, known := samples[name]; known {
		return text
	}
	return "…"
}

// ordered is a JSON object that keeps the order of its members.
type ordered []struct {
	name  string
	value any
}

func (o ordered) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// sample is a value of a schema, for people: members that may be missing are.
func (p *page) sample(s *schema, name string, depth int) any {
	if s.ref != "" {
		return p.sampleOf(s.ref, depth)
	}
	switch {
	case len(s.enum) > 0:
		return s.enum[0]
	case s.format == "date-time":
		if s.null && (strings.HasPrefix(name, "completed") || strings.HasPrefix(name, "decided")) {
			return nil
		}
		return "2026-11-21T10:00:00.000Z"
	case s.kind == "string":
		return sampleText(name, "")
	case s.kind == "integer" || s.kind == "number":
		return 1
	case s.kind == "boolean":
		return true
	case s.kind == "array" && depth < 3:
		return []any{p.sample(s.items, name, depth+1)}
	case s.kind == "array":
		return []any{}
	case s.values != nil && depth < 3:
		return ordered{{"extract", p.sample(s.values, name, depth+1)}}
	default:
		return map[string]any{}
	}
}

// sampleOf is a sample of a named object.
func (p *page) sampleOf(name string, depth int) any {
	out := ordered{}
	if depth > 3 {
		return out
	}
	for _, m := range p.d.schemas.named[name].members {
		if !m.required {
			continue
		}
		var value any
		if text, known := samples[name+"."+m.name]; known && m.schema.kind == "string" {
			value = text
		} else {
			value = p.sample(m.schema, m.name, depth+1)
		}
		out = append(out, struct {
			name  string
			value any
		}{m.name, value})
	}
	return out
}
