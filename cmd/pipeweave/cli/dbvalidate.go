package cli

import (
	"context"
	"fmt"
	"strings"

	"pipedai/internal/cliutil"
	"pipedai/store"
)

func runDBValidate(ctx context.Context, d *deps, o dbOptions) error {
	st, err := o.database.open(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }() // nothing was written
	return d.tellProblems(ctx, st, o.json)
}

// tellProblems says what a database lacks; to lack anything is a failure.
func (d *deps) tellProblems(ctx context.Context, st store.Store, asJSON bool) error {
	problems, err := st.Validate(ctx)
	if err != nil {
		return err
	}
	switch {
	case asJSON:
		err = cliutil.JSON(d.Out, map[string]any{"database": st.Info().Target, "valid": len(problems) == 0, "problems": append([]string{}, problems...)})
	case len(problems) == 0:
		err = d.printf("All migrations of %s are valid.\n", st.Info().Target)
	default:
		err = d.printf("Validation of %s failed:\n  • %s\nNext: pipeweave db migrate; what it cannot mend comes from a backup\n", st.Info().Target, strings.Join(problems, "\n  • "))
	}
	if err == nil && len(problems) > 0 {
		err = cliutil.Silent(cliutil.ExitFailed)
	}
	return err
}

// runDBEnsure applies what is missing and looks whether everything is there.
// Migrations run whole or not at all here, so nothing needs to be applied twice.
func runDBEnsure(ctx context.Context, d *deps, o dbOptions) error {
	if !o.json {
		if err := runDBMigrate(ctx, d, o); err != nil {
			return err
		}
		return runDBValidate(ctx, d, o)
	}
	quiet := *d
	quiet.Out = d.Err // one JSON document is the whole of the output
	plain := o
	plain.json = false
	if err := runDBMigrate(ctx, &quiet, plain); err != nil {
		return err
	}
	return runDBValidate(ctx, d, o)
}

func runDBReset(ctx context.Context, d *deps, o dbOptions) error {
	st, err := o.database.open(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }() // everything is committed
	target := st.Info().Target
	if !o.yes {
		return cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("a reset deletes every pipeline, run, host and token in %s", target),
			"stop the servers that use it, then: pipeweave db reset --yes")
	}
	if err := st.Reset(ctx); err != nil {
		return schemaError(err, target)
	}
	applied, err := st.Migrate(ctx)
	if err != nil {
		return schemaError(err, target)
	}
	if o.json {
		return cliutil.JSON(d.Out, map[string]any{"database": target, "applied": viewMigrations(applied)})
	}
	return d.printf("Reset %s: everything was deleted, %d migrations applied.\nNext: pipeweave serve\n", target, len(applied))
}
