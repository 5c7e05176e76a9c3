package daemon

import "testing"

// All of 127.0.0.0/8 is this machine: a daemon on another address of it is
// found by the command line and answers to that name.
func TestRun_anotherLoopbackAddress(t *testing.T) {
	t.Parallel()
	o := testOptions(newHome(t, "https://a.test"))
	o.Host = "127.0.0.2"
	d := startDaemon(t, o)
	info, err := ReadInfo(o.Dir)
	if err != nil || info.URL() != d.url {
		t.Fatalf("daemon.json says %s, %v; it listens on %s", info.URL(), err, d.url)
	}
	if _, err := d.Self(t.Context()); err != nil {
		t.Error(err)
	}
}
