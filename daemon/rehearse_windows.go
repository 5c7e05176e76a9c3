package daemon

import (
	"os"
	"os/exec"
)

// On Windows nothing is rehearsed: workers end with their daemon, so that there
// is nothing to take up. See switchUntried.

func inTrial(*exec.Cmd) {}

func startTied(cmd *exec.Cmd, ended func(error)) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { ended(cmd.Wait()) }()
	return nil
}

func killTrial(p *os.Process) { _ = p.Kill() }
