package osservice

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/mgr"
)

// Serve runs a program as the system wants it done. As a service it answers the
// service manager: its stop ends ctx, which lets workers finish. A program that
// ends by itself with anything but 0 counts as failed there, and is started
// again; so is one that restarts.
func Serve(ctx context.Context, run func(context.Context) int) int {
	if service.Interactive() {
		return run(ctx)
	}
	p := &program{run: run, ended: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(ctx)
	s, err := service.New(p, &service.Config{Name: Windows.Name()})
	if err != nil {
		return 1
	}
	p.exited = func(code int) {
		if code != 0 {
			os.Exit(code) //nolint:revive // the only way to say so to the service manager
		}
		_ = s.Stop() // it asks us to, and we have
	}
	if err := s.Run(); err != nil {
		return 1
	}
	return p.code
}

// program is what the service manager starts and stops.
type program struct {
	ctx    context.Context //nolint:containedctx // between two calls of the service manager
	cancel context.CancelFunc
	run    func(context.Context) int
	exited func(code int)
	ended  chan struct{}
	code   int
}

// Start implements service.Interface.
func (p *program) Start(service.Service) error {
	go func() {
		p.code = p.run(p.ctx)
		asked := p.ctx.Err() != nil
		close(p.ended)
		if !asked {
			p.exited(p.code)
		}
	}()
	return nil
}

// Stop implements service.Interface.
func (p *program) Stop(service.Service) error {
	p.cancel()
	<-p.ended
	return nil
}

const parametersKey = `SYSTEM\CurrentControlSet\Services\`

// installedWindows returns the command line of the installed service with the
// mark of its home; empty without one.
func installedWindows(context.Context) (string, error) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, parametersKey+Windows.Name(), registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the installed service: %w", err)
	}
	defer func() { _ = key.Close() }()
	mark, _, err := key.GetStringValue("PipedaiMark")
	if errors.Is(err, registry.ErrNotExist) {
		mark = "" // somebody else's
	} else if err != nil {
		return "", fmt.Errorf("read the installed service: %w", err)
	}
	path, _, err := key.GetStringValue("ImagePath")
	if err != nil {
		return "", fmt.Errorf("read the installed service: %w", err)
	}
	return path + "\n" + mark, nil
}

// installWindows registers the service, or changes what it runs.
func installWindows(_ context.Context, u Unit, there bool) (Change, error) {
	if err := u.validate(); err != nil {
		return "", err
	}
	change := Already
	if !there {
		change = Installed
		s, err := service.New(nothing{}, &service.Config{
			Name: Windows.Name(), DisplayName: "PipedAI Orchestrator", Description: "Looks after the workers of this host",
			Executable: u.Program, Arguments: u.arguments(Windows),
			EnvVars: map[string]string{"PATH": u.Path, "PIPEDAI_SERVICE": string(Windows)},
			Option:  service.KeyValue{service.OnFailure: service.OnFailureRestart, service.OnFailureDelayDuration: "1s"},
		})
		if err != nil {
			return "", err
		}
		if err := s.Install(); err != nil {
			return "", fmt.Errorf("register the service: %w", err)
		}
	}
	m, err := mgr.Connect()
	if err != nil {
		return "", fmt.Errorf("reach the service manager: %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(Windows.Name())
	if err != nil {
		return "", fmt.Errorf("open the service: %w", err)
	}
	defer func() { _ = s.Close() }()
	config, err := s.Config()
	if err != nil {
		return "", fmt.Errorf("read the service: %w", err)
	}
	command := windows.ComposeCommandLine(append([]string{u.Program}, u.arguments(Windows)...))
	if there && config.BinaryPathName != command {
		config.BinaryPathName, change = command, Updated
		if err := s.UpdateConfig(config); err != nil {
			return "", fmt.Errorf("change the service: %w", err)
		}
	}
	// Also after an end that was not a crash, such as code 75.
	if err := s.SetRecoveryActionsOnNonCrashFailures(true); err != nil {
		return "", fmt.Errorf("have the service restarted: %w", err)
	}
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, parametersKey+Windows.Name(), registry.SET_VALUE)
	if err != nil {
		return "", fmt.Errorf("mark the service: %w", err)
	}
	defer func() { _ = key.Close() }()
	if err := key.SetStringValue("PipedaiMark", u.mark()); err != nil {
		return "", fmt.Errorf("mark the service: %w", err)
	}
	return change, nil
}

func removeWindows(c control) error {
	remover, able := c.(interface{ Uninstall() error })
	if !able {
		return errors.New("the service cannot be removed by this program")
	}
	return remover.Uninstall()
}
