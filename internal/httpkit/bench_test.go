package httpkit

import (
	"strings"
	"testing"

	"pipedai/api"
)

// BenchmarkBind measures the two bodies that come by the thousand: the report
// of an attempt, and a batch of task runs.
func BenchmarkBind(b *testing.B) {
	report := []byte(`{"status":"success","outputPath":"runs/prun_0123456789abcdef/outputs/trun_0123456789abcdef.json","outputSize":123,"assets":{}}`)
	b.Run("report", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var req api.CallbackRequest
			if err := Bind(report, &req); err != nil {
				b.Fatal(err)
			}
		}
	})
	tasks := []byte(`{"tasks":[` + strings.Repeat(`{"taskId":"resize","input":{"file":"a.png","width":640},"priority":5},`, 9_999) + `{"taskId":"resize"}]}`)
	b.Run("10000-tasks", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var req struct {
				Tasks []api.QueueTaskRequest `json:"tasks" validate:"required,dive"`
			}
			if err := Bind(tasks, &req); err != nil || len(req.Tasks) != 10_000 {
				b.Fatal(err, len(req.Tasks))
			}
		}
	})
}
