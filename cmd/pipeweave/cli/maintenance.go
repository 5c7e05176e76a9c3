package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/engine"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
	"pipedai/store"
	"pipedai/store/postgres"
)

type maintenanceOptions struct {
	database          databaseFlags
	server, tokenFile string
	reason            string
	json, wait        bool
	timeout           time.Duration
}

func newMaintenanceCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "maintenance", Short: "Stop accepting work, finish what there is, and go on again",
		Long: `Maintenance begins in two steps: a request stops new work and lets what there is
finish, retries and following tasks included; when nothing is left, maintenance
begins by itself. The commands ask the server, or, with --url or the other flags
of a database, the database itself: running servers notice within seconds.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newMaintenanceSubCmd(d, "status", "Show the mode and what is left to do", runMaintenanceStatus),
		newMaintenanceSubCmd(d, "request", "Accept no more work and wait for what there is", runMaintenanceRequest),
		newMaintenanceSubCmd(d, "enter", "Begin maintenance; exit 1 while something is left to do", runMaintenanceEnter),
		newMaintenanceSubCmd(d, "exit", "Accept work again", runMaintenanceExit),
	)
	return cmd
}

func newMaintenanceSubCmd(d *deps, name, short string, runF func(context.Context, *deps, maintenanceOptions) error) *cobra.Command {
	var o maintenanceOptions
	cmd := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		Example: "  pipeweave maintenance " + name + "\n  pipeweave maintenance " + name + " --url postgres://...",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), d, o) },
	}
	o.database.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.server, "server", "", "address of the server (PIPEWEAVE_ORCHESTRATOR_URL; default: the one running on this machine)")
	flags.StringVar(&o.tokenFile, "token-file", "", "file that holds the API token (PIPEWEAVE_API_TOKEN; default: the local server's own)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	if name == "request" {
		flags.StringVar(&o.reason, "reason", "", "why, for everybody to read while it lasts")
		flags.BoolVarP(&o.wait, "wait", "w", false, "return when maintenance has begun")
		flags.DurationVar(&o.timeout, "timeout", 0, "with --wait: give up after this long")
	}
	return cmd
}

// modeControl is the maintenance mode, through a server or in the database.
type modeControl struct {
	look func(context.Context) (api.Maintenance, error)
	move func(ctx context.Context, step, reason string) (api.Maintenance, error)
	done func()
}

// control finds out what is meant: the flags of a database win, then the
// address of a server, then a database of the environment, then the server on
// this machine, and without one its database.
func (o maintenanceOptions) control(ctx context.Context, d *deps) (modeControl, error) {
	if o.database.named() {
		return o.inDatabase(ctx, d)
	}
	named := first(o.server, d.Getenv("PIPEWEAVE_ORCHESTRATOR_URL")) != ""
	address, dir, err := o.database.target(d)
	if err != nil {
		return modeControl{}, err
	}
	_, stopped := dir.running()
	_, embedded := databaseFile(address, dir)
	if named || embedded && stopped == nil {
		c, err := d.connect(remote{url: o.server, tokenFile: o.tokenFile, dataDir: o.database.dataDir})
		if err != nil {
			return modeControl{}, err
		}
		return throughServer(c), nil
	}
	return o.inDatabase(ctx, d)
}

func throughServer(c *client.Client) modeControl {
	return modeControl{look: c.Maintenance, move: c.MoveMaintenance, done: func() {}}
}

func (o maintenanceOptions) inDatabase(ctx context.Context, d *deps) (modeControl, error) {
	address, dir, err := o.database.target(d)
	if err != nil {
		return modeControl{}, err
	}
	if path, absent := absentFile(address, dir); absent {
		return modeControl{}, cliutil.Failf(cliutil.ExitNotRunning, startOrName, "no server runs on this machine, and there is no database %s", path)
	}
	st, err := openStore(ctx, address, dir, postgres.Options{})
	if err != nil {
		return modeControl{}, err
	}
	done := func() { _ = st.Close() } // what was written is committed
	if err := st.CheckSchema(ctx); err != nil {
		done()
		return modeControl{}, schemaError(err, st.Info().Target)
	}
	return modeControl{
		look: func(ctx context.Context) (api.Maintenance, error) { return answered(engine.LookAtMaintenance(ctx, st)) },
		move: func(ctx context.Context, step, reason string) (api.Maintenance, error) {
			switch step {
			case "request":
				return answered(engine.RequestMaintenance(ctx, st, store.ModeReason{By: localUser(), Text: reason}))
			case "enter":
				return answered(engine.EnterMaintenance(ctx, st))
			default:
				return answered(engine.ExitMaintenance(ctx, st))
			}
		},
		done: done,
	}, nil
}

// localUser is who acts on a database without a server in between.
func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username + " (command line)"
	}
	return "command line"
}

// answered is the outcome of a step in the database as a server answers it.
func answered(m engine.Maintenance, err error) (api.Maintenance, error) {
	if errors.Is(err, engine.ErrNotRequested) { // as a server answers it
		err = &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: err.Error()}
	}
	return m.Wire(), err
}

func runMaintenanceStatus(ctx context.Context, d *deps, o maintenanceOptions) error {
	c, err := o.control(ctx, d)
	if err != nil {
		return err
	}
	defer c.done()
	m, err := c.look(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, m)
	}
	can := "No"
	if m.CanEnterMaintenance {
		can = "Yes"
	}
	if err := d.printf("Mode: %s\nPending tasks: %d\nRunning tasks: %d\nCan enter maintenance: %s\nStatus: %s\nMode changed at: %s\n",
		m.Mode, m.PendingTasks, m.RunningTasks, can, m.Message, m.ModeChangedAt); err != nil || m.By == "" {
		return err
	}
	return d.printf("Asked for by: %s\nReason: %s\n", m.By, first(m.Reason, "none given"))
}

func runMaintenanceRequest(ctx context.Context, d *deps, o maintenanceOptions) error {
	c, err := o.control(ctx, d)
	if err != nil {
		return err
	}
	defer c.done()
	d.notef("[maintenance] requesting\n")
	m, err := c.move(ctx, "request", o.reason)
	if err == nil && o.wait {
		m, err = waitForMaintenance(ctx, d, c, m, o.timeout)
	}
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, m)
	}
	next := "Next: wait for them: pipeweave maintenance request --wait   (or look: pipeweave maintenance status)"
	switch {
	case m.Mode == string(store.ModeMaintenance):
		next = "Next: pipeweave maintenance exit, when the work on the installation is done"
	case m.CanEnterMaintenance:
		next = "Next: pipeweave maintenance enter   (running servers do it by themselves)"
	}
	return d.printf("Mode: %s\nPending tasks: %d\nRunning tasks: %d\nStatus: %s\n%s\n", m.Mode, m.PendingTasks, m.RunningTasks, m.Message, next)
}

// waitForMaintenance looks until maintenance has begun. Somebody who takes the
// request back ends the wait.
func waitForMaintenance(ctx context.Context, d *deps, c modeControl, m api.Maintenance, timeout time.Duration) (api.Maintenance, error) {
	until := d.now().Add(timeout)
	told := ""
	for m.Mode != string(store.ModeMaintenance) {
		if m.Message != told {
			told = m.Message
			d.notef("[maintenance] %s\n", told)
		}
		if timeout > 0 && !d.now().Before(until) {
			return m, cliutil.Failf(cliutil.ExitTimeout, "see what is left: pipeweave queue status", "%d tasks are still active", m.PendingTasks+m.RunningTasks)
		}
		if !backoff.Sleep(ctx, time.Second) {
			return m, ctx.Err()
		}
		var err error
		if m, err = c.look(ctx); err != nil {
			return m, err
		}
		if m.Mode == string(store.ModeRunning) {
			return m, cliutil.Failf(cliutil.ExitConflict, "", "the request was taken back: the mode is %s again", m.Mode)
		}
	}
	return m, nil
}

func runMaintenanceEnter(ctx context.Context, d *deps, o maintenanceOptions) error {
	c, err := o.control(ctx, d)
	if err != nil {
		return err
	}
	defer c.done()
	m, err := c.move(ctx, "enter", "")
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		return cliutil.Failf(cliutil.ExitFailed, "run: pipeweave maintenance request", "%s", refused.Message)
	}
	if err != nil {
		return err
	}
	if m.Mode != string(store.ModeMaintenance) {
		return cliutil.Failf(cliutil.ExitFailed, "run: pipeweave maintenance request --wait",
			"%s (mode %s, %d pending, %d running)", m.Message, m.Mode, m.PendingTasks, m.RunningTasks)
	}
	if o.json {
		return cliutil.JSON(d.Out, m)
	}
	return d.printf("%s\nNext: pipeweave maintenance exit, when the work on the installation is done\n", m.Message)
}

func runMaintenanceExit(ctx context.Context, d *deps, o maintenanceOptions) error {
	c, err := o.control(ctx, d)
	if err != nil {
		return err
	}
	defer c.done()
	m, err := c.move(ctx, "exit", "")
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, m)
	}
	return d.printf("Maintenance mode exited: %s\n", fmt.Sprintf("mode is %s, work is accepted", m.Mode))
}
