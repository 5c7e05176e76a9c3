package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// A process has no environment for a moment while it becomes another program,
// and a start returns in that moment. A worker's child that is looked at then
// was left alone when its worker died, and its output was lost.
func TestHasEnv_ofAProcessThatIsJustStarting(t *testing.T) {
	t.Parallel()
	const mark = "SUPERVISOR_TEST_MARK=here"
	env := append(os.Environ(), mark)
	for i := range 40_000 { // the more there is, the longer the moment
		env = append(env, fmt.Sprint("X", i, "=1"))
	}
	for range 10 {
		cmd := exec.Command("sleep", "1000")
		cmd.Env = env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var has bool
		var err error
		eventually(t, "an environment", func() bool { has, err = hasEnv(cmd.Process.Pid, mark); return !isTransient(err) })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err != nil || !has {
			t.Fatalf("the mark of a process that was just started: %v, error %v", has, err)
		}
	}
}

// Nothing is waited for that does not come.
func TestHasEnv_ofAProcessWithout(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "1000")
	cmd.Env = []string{} // none at all
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if has, err := hasEnv(cmd.Process.Pid, "X=1"); has || err != nil {
		t.Errorf("a process without an environment: %v, error %v", has, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a zombie", func() bool { p, err := statProcess(cmd.Process.Pid); return err == nil && p.zombie })
	if has, err := hasEnv(cmd.Process.Pid, "X=1"); has || err != nil {
		t.Errorf("a zombie: %v, error %v", has, err)
	}
	_ = cmd.Wait()
	if has, err := hasEnv(cmd.Process.Pid, "X=1"); has || err != nil {
		t.Errorf("a process that is gone: %v, error %v", has, err)
	}
}
