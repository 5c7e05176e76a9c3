package cli

import (
	"context"
	"time"

	"pipedai/internal/cliutil"
)

// cleanupBatch bounds one transaction, so that a server at work hardly notices.
const cleanupBatch = 500

// uploadRowsKept is how long the row of an upload stays after its object.
const uploadRowsKept = 30 * 24 * time.Hour

// runDBCleanup deletes what a server deletes by itself now and then: results
// whose idempotency keys expired, old dead letters, and rows of uploads that are
// gone. Expired uploads themselves are the server's to remove: it knows where
// their objects are.
func runDBCleanup(ctx context.Context, d *deps, o dbOptions) error {
	if o.days < 0 {
		return cliutil.UsageError("--dlq-retention-days is %d, and cannot be negative", o.days)
	}
	st, err := o.database.open(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }() // everything is committed
	target := st.Info().Target
	if err := st.CheckSchema(ctx); err != nil {
		return schemaError(err, target)
	}
	keys, err := inBatches(ctx, func(ctx context.Context) (int, error) {
		// Of keys that expire by a setting of the server, the server takes care.
		return st.ForgetKeys(ctx, time.Unix(0, 0), cleanupBatch)
	})
	if err != nil {
		return err
	}
	before := d.now().AddDate(0, 0, -o.days)
	letters, err := inBatches(ctx, func(ctx context.Context) (int, error) {
		return st.PurgeDeadLetters(ctx, before, cleanupBatch)
	})
	if err != nil {
		return err
	}
	uploads, err := st.ArchiveUploads(ctx, uploadRowsKept)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, map[string]any{"database": target, "idempotencyKeys": keys, "deadLetters": letters, "uploads": uploads})
	}
	return d.printf("Cleaned up %s\nExpired idempotency keys deleted: %d\nDead letters older than %d days deleted: %d\nRows of removed uploads deleted: %d\n",
		target, keys, o.days, letters, uploads)
}

// inBatches repeats a bounded step until it finds less than it may take.
func inBatches(ctx context.Context, once func(context.Context) (int, error)) (total int, err error) {
	for {
		n, err := once(ctx)
		total += n
		if err != nil || n < cleanupBatch {
			return total, err
		}
	}
}
