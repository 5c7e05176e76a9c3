package cli

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"

	"pipedai/daemon/osservice"
)

// replaceProgram runs the program anew in the same console and waits for it: a
// process cannot become another program here. An interrupt reaches every
// process of a console, so the new one sees to it and we only wait.
func replaceProgram(args []string) (int, error) {
	path, err := ownProgram()
	if err != nil {
		return 0, err
	}
	signal.Ignore(os.Interrupt)
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

// asUser does nothing: there is no sudo here.
func asUser(*exec.Cmd, osservice.Account) {}
