package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/storage"
)

func parsed(text string, env map[string]string) ([]storage.Config, string, error) {
	return parseBackends(text, state{dir: "/state"}, func(name string) string { return env[name] })
}

func TestParseBackends_problems(t *testing.T) {
	t.Parallel()
	_, _, err := parsed(`[
		{"id":"a","provider":"aws-s3","endpoint":"https://s3.amazonaws.com","bucket":"b","credentials":{"accessKeyId":"SHOWN-NEVER"}},
		{"id":"a","provider":"local","credentials":{"basePath":"/x"}},
		{"provider":"local"},
		{"id":"f","provider":"ftp"},
		{"id":"g","provider":"gcs","credentials":{"clientEmail":"e"}}]`, nil)
	if err == nil {
		t.Fatal("no problem was found")
	}
	for _, want := range []string{
		`backend "a": credentials.secretAccessKey missing`, "Duplicate storage backend ID: a", "backend 3: id is missing",
		`provider "ftp" is not one of aws-s3, gcs, local, minio`, `backend "g": bucket, credentials.privateKey missing`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not told at once: %s\nin %v", want, err)
		}
	}
	for _, text := range []string{`[{"id":"a","credentials":{"secretKey":"SHOWN-NEVER`, `[{"credentials":"SHOWN-NEVER"}]`, `"SHOWN-NEVER"`} {
		if _, _, bad := parsed(text, nil); bad == nil || strings.Contains(bad.Error(), "SHOWN-NEVER") {
			t.Errorf("%s: got %v", text, bad)
		}
	}
	if strings.Contains(err.Error(), "SHOWN-NEVER") {
		t.Errorf("a credential is shown: %v", err)
	}
}

func TestParseBackends_defaults(t *testing.T) {
	t.Parallel()
	one := func(id, more string) string {
		return `{"id":"` + id + `","provider":"local","endpoint":"file://","bucket":"","credentials":{"basePath":"/x/` + id + `"}` + more + `}`
	}
	for want, text := range map[string]string{
		"a": "[" + one("a", "") + "," + one("b", "") + "]",
		"b": "[" + one("a", "") + "," + one("b", `,"isDefault":true`) + "," + one("c", `,"isDefault":true`) + "]",
	} {
		if _, got, err := parsed(text, nil); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	// A published sample has MinIO's names for S3.
	got, _, err := parsed(`[{"id":"s","provider":"aws-s3","bucket":"b","credentials":{"accessKey":"1","secretKey":"2"}}]`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"accessKeyId": "1", "secretAccessKey": "2"}
	if diff := cmp.Diff(want, map[string]string(got[0].Credentials)); diff != "" {
		t.Error(diff)
	}
}

func TestParseBackends_legacy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  map[string]string
		want storage.Config
	}{
		"local": {
			map[string]string{"STORAGE_PROVIDER": "local", "LOCAL_STORAGE_BASE_PATH": "/data"},
			storage.Config{ID: "default", Provider: "local", Endpoint: "file://", Bucket: "storage", Credentials: storage.Credentials{"basePath": "/data"}},
		},
		"s3": {
			map[string]string{"STORAGE_PROVIDER": "s3", "S3_BUCKET": "b", "S3_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "k"},
			storage.Config{
				ID: "default", Provider: "aws-s3", Endpoint: "https://s3.amazonaws.com", Bucket: "b", Region: "eu-west-1",
				Credentials: storage.Credentials{"accessKeyId": "i", "secretAccessKey": "k"},
			},
		},
		"minio": {
			map[string]string{"STORAGE_PROVIDER": "minio", "S3_ENDPOINT": "http://m:9000", "S3_BUCKET": "b", "MINIO_ACCESS_KEY": "i", "MINIO_SECRET_KEY": "k"},
			storage.Config{
				ID: "default", Provider: "minio", Endpoint: "http://m:9000", Bucket: "b",
				Credentials: storage.Credentials{"accessKey": "i", "secretKey": "k"},
			},
		},
	} {
		got, id, err := parsed("", tt.env)
		if err != nil || id != "default" {
			t.Errorf("%s: default %q, %v", name, id, err)
			continue
		}
		if diff := cmp.Diff([]storage.Config{tt.want}, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, _, err := parsed("", map[string]string{"STORAGE_PROVIDER": "minio"}); err == nil || !strings.Contains(err.Error(), "bucket, endpoint, credentials.accessKey") {
		t.Errorf("an incomplete one: got %v", err)
	}
	if got, id, err := parsed("", nil); err != nil || id != "local" || got[0].Provider != "local" {
		t.Errorf("without anything: %v, %q, %v", got, id, err)
	}
}
