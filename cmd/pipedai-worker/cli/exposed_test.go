package cli

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// Case T10: whoever gives the registration code on the command line is told
// that other programs can read it there.
func TestRegister_T10_codeInArguments(t *testing.T) {
	t.Parallel()
	for given, warned := range map[string]bool{"--token=enr_code": true, "--token-stdin": false} {
		url, _ := redeemer(t, http.StatusOK, api.RedeemResult{WorkerID: "w1", WorkerToken: "wkt_token"})
		code, out, errs := execute(t, "enr_code\n", nil, "register", given, "--api-url", url, "--config", filepath.Join(t.TempDir(), "worker.json"))
		if code != 0 || strings.Contains(errs, "other programs can see --token") != warned || strings.Contains(out+errs, "enr_code") {
			t.Errorf("%s: %d %s%s; want a warning: %v, and no code", given, code, out, errs, warned)
		}
	}
	s, _, _ := streams("", nil)
	for _, flag := range cliutil.UnmarkedSecrets(newRegisterCmd(s, nil)) {
		t.Errorf("the help of %s does not say that other programs can see it", flag)
	}
}
