package testkit_test

import (
	"net"
	"strings"
	"testing"

	"pipedai/internal/testkit"
)

// Builds the servers, too, when that was not done: `make servers` runs it.
func TestStorageServers(t *testing.T) {
	t.Parallel()
	s3 := testkit.StartS3(t, "", "")
	gcs := testkit.StartGCS(t)
	testkit.MakeGCSBucket(t, gcs, "some")
	for _, url := range []string{s3.URL, gcs} {
		_, addr, _ := strings.Cut(url, "://")
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
}
