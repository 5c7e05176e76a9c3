package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
	"pipedai/store"
	"pipedai/store/postgres"
)

type dbOptions struct {
	database databaseFlags
	json     bool
	yes      bool // reset
	days     int  // cleanup
}

func newDBCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "db", Short: "Create, upgrade and inspect the database",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newDBSubCmd(d, "init", "Create the tables (the same as migrate on an empty database)", runDBMigrate),
		newDBSubCmd(d, "migrate", "Apply the migrations that are missing", runDBMigrate),
		newDBSubCmd(d, "status", "Show which migrations are applied and which are pending", runDBStatus),
		newDBSubCmd(d, "validate", "Check that the database has everything it should; exit 1 when not", runDBValidate),
		newDBSubCmd(d, "ensure-schema", "Apply the migrations that are missing, then validate", runDBEnsure),
		newDBSubCmd(d, "cleanup", "Delete expired keys, old dead letters and rows of removed uploads, as the server does by itself", runDBCleanup),
		newDBSubCmd(d, "reset", "Delete everything and begin anew", runDBReset),
		newForgetKeyCmd(d),
	)
	return cmd
}

func newDBSubCmd(d *deps, name, short string, runF func(context.Context, *deps, dbOptions) error) *cobra.Command {
	var o dbOptions
	cmd := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		Example: "  pipeweave db " + name + "\n  DATABASE_URL=postgres://... pipeweave db " + name,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), d, o) },
	}
	o.database.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	switch name {
	case "reset":
		cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "delete everything, without asking")
	case "cleanup":
		cmd.Flags().IntVar(&o.days, "dlq-retention-days", 30, "keep dead letters that are younger")
	}
	return cmd
}

// migrationView is a migration in --json.
type migrationView struct {
	Version   int64    `json:"version"`
	Name      string   `json:"name"`
	AppliedAt api.Time `json:"appliedAt"`
	Millis    int64    `json:"ms,omitempty"`
}

func viewMigrations(all []store.Migration) []migrationView {
	out := []migrationView{}
	for _, m := range all {
		out = append(out, migrationView{m.Version, m.Name, api.At(m.AppliedAt), m.Took.Milliseconds()})
	}
	return out
}

func runDBMigrate(ctx context.Context, d *deps, o dbOptions) error {
	databaseURL, dir, err := o.database.target(d)
	if err != nil {
		return err
	}
	st, err := openStore(ctx, databaseURL, dir, postgres.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }() // the migrations are committed
	known, err := st.Migrations(ctx)
	if err != nil {
		return schemaError(err, st.Info().Target)
	}
	applied, err := st.Migrate(ctx)
	for _, m := range applied {
		d.notef("[migrations] applied %03d_%s in %d ms\n", m.Version, m.Name, m.Took.Milliseconds())
	}
	if err != nil {
		return schemaError(err, st.Info().Target)
	}
	if o.json {
		return cliutil.JSON(d.Out, map[string]any{"applied": viewMigrations(applied), "skipped": len(known) - len(applied)})
	}
	return d.printf("Found %d migrations in %s\nApplied: %d\nSkipped: %d\n", len(known), st.Info().Target, len(applied), len(known)-len(applied))
}

func runDBStatus(ctx context.Context, d *deps, o dbOptions) error {
	databaseURL, dir, err := o.database.target(d)
	if err != nil {
		return err
	}
	target, all, err := migrations(ctx, databaseURL, dir)
	if err != nil {
		return err
	}
	var applied, pending []store.Migration
	current := "none"
	for _, m := range all {
		if m.AppliedAt.IsZero() {
			pending = append(pending, m)
			continue
		}
		applied = append(applied, m)
		current = fmt.Sprintf("%03d", m.Version)
	}
	if o.json {
		return cliutil.JSON(d.Out, map[string]any{
			"database": target, "current": current,
			"applied": viewMigrations(applied), "pending": viewMigrations(pending),
		})
	}
	if err := d.printf("Database status: %s\nCurrent version: %s\nApplied migrations: %d\nPending migrations: %d\n",
		target, current, len(applied), len(pending)); err != nil {
		return err
	}
	for _, m := range applied {
		if err := d.printf("  applied  %03d_%s  %s\n", m.Version, m.Name, m.AppliedAt.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	for _, m := range pending {
		if err := d.printf("  pending  %03d_%s\n", m.Version, m.Name); err != nil {
			return err
		}
	}
	if len(pending) > 0 {
		return d.printf("Next: pipeweave db migrate\n")
	}
	return nil
}

// migrations lists the migrations of a database. Looking changes nothing: an
// embedded database that is not there yet stays away, and has none applied.
func migrations(ctx context.Context, databaseURL string, dir state) (target string, all []store.Migration, err error) {
	if path, absent := absentFile(databaseURL, dir); absent {
		elsewhere, err := os.MkdirTemp("", "pipeweave-*")
		if err != nil {
			return "", nil, fmt.Errorf("list migrations: %w", err)
		}
		defer func() { _ = os.RemoveAll(elsewhere) }() // the system clears its folder for temporary files, too
		_, all, err = migrationsIn(ctx, "", state{elsewhere})
		return path + " (not created yet)", all, err
	}
	return migrationsIn(ctx, databaseURL, dir)
}

// absentFile names the file of an embedded database that is not there.
func absentFile(databaseURL string, dir state) (path string, absent bool) {
	path, embedded := databaseFile(databaseURL, dir)
	if !embedded {
		return "", false
	}
	_, err := os.Stat(path)
	return path, errors.Is(err, fs.ErrNotExist)
}

func migrationsIn(ctx context.Context, databaseURL string, dir state) (target string, all []store.Migration, err error) {
	st, err := openStore(ctx, databaseURL, dir, postgres.Options{})
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = st.Close() }() // nothing was written
	target = st.Info().Target
	if all, err = st.Migrations(ctx); err != nil {
		return "", nil, schemaError(err, target)
	}
	return target, all, nil
}
