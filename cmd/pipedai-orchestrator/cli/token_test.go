package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"pipedai/daemon"
	"pipedai/daemon/localapi/localclient"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
)

// A token that may be known to somebody is replaced while everything runs: the
// old one opens nothing any more, and what it had opened is closed.
func TestTokenRotate_W3(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.run(t, "token", "rotate").want(t, 3, "no token yet", "start")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0") }()
	until(t, func() bool { return strings.Contains(out.String(), "not connected yet") })
	dir, err := hostdir.At(tm.home)
	if err != nil {
		t.Fatal(err)
	}
	info, err := daemon.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, err := enroll.LoadCredentials(dir.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := websocket.Dial(ctx, info.URL()+"/api/events?token="+before.LocalToken.Reveal(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = page.CloseNow() }()

	r := tm.run(t, "token", "rotate")
	r.want(t, 0, "a new one", "dashboard --open")
	after, err := enroll.LoadCredentials(dir.Credentials())
	if err != nil || after.LocalToken == before.LocalToken {
		t.Fatalf("the token is the same one, %v", err)
	}
	for _, secret := range []string{before.LocalToken.Reveal(), after.LocalToken.Reveal()} {
		if strings.Contains(r.out+r.err+errs.String(), secret) {
			t.Error("a token was printed")
		}
	}
	for err == nil {
		_, _, err = page.Read(ctx)
	}
	if websocket.CloseStatus(err) != 4401 {
		t.Errorf("the page was closed with %v", err)
	}
	if _, err := localclient.New(info.URL(), before.LocalToken).Self(ctx); err == nil {
		t.Error("the old token still opens")
	}
	tm.run(t, "token", "rotate", "--json").want(t, 0, `"daemon": true`)
	tm.run(t, "workers").want(t, 0)
	cancel()
	<-ended
}
