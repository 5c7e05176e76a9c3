package postgres

import (
	"context"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

const uploadCols = `u.id, u.storage_backend_id, u.storage_path, u.original_filename, u.mime_type, u.size_bytes, u.uploaded_by,
	u.uploaded_at, u.expires_at, u.claimed_by_run_id, u.deleted_at, u.pending`

func scanUpload(row scanner, u *store.Upload) error {
	var size *int64
	err := row.Scan(&u.ID, &u.Backend, &u.Path, textCol[string]{&u.Filename}, textCol[string]{&u.MimeType}, &size, textCol[string]{&u.UploadedBy},
		timeCol{&u.UploadedAt}, timeCol{&u.ExpiresAt}, textCol[pipeline.TaskRunID]{&u.ClaimedBy}, timeCol{&u.DeletedAt}, &u.Pending)
	if size != nil {
		u.Size = *size
	}
	return err
}

// StartUpload notes an upload before its object is written.
func (s *Store) StartUpload(ctx context.Context, u store.Upload) error {
	return s.write(ctx, "start upload", func(t *tx) error {
		_, err := t.exec(`insert into temp_uploads (id, storage_backend_id, storage_path, original_filename, mime_type, uploaded_by,
				uploaded_at, expires_at, pending) values ($1, $2, $3, $4, $5, $6, $7, $8, true)`,
			u.ID, u.Backend, u.Path, text(flow.Text(u.Filename)), text(flow.Text(u.MimeType)), text(flow.Text(u.UploadedBy)), ts(t.now), ts(u.ExpiresAt))
		return err
	})
}

// FinishUpload makes a started upload one that can be used.
func (s *Store) FinishUpload(ctx context.Context, id string, size int64, expires time.Time) (store.Upload, error) {
	return s.upload(ctx, "finish upload", store.ErrNotFound, `update temp_uploads as u set pending = false, size_bytes = $2, expires_at = $3
		where u.id = $1 and u.pending and u.deleted_at is null returning `+uploadCols, id, size, ts(expires))
}

// upload is one conditional write that returns the row it changed.
func (s *Store) upload(ctx context.Context, what string, otherwise error, query string, args ...any) (store.Upload, error) {
	var out store.Upload
	err := s.write(ctx, what, func(t *tx) error {
		found := false
		err := t.rows(query, args, func(row scanner) error {
			found = true
			return scanUpload(row, &out)
		})
		if err == nil && !found {
			err = otherwise
		}
		return err
	})
	return out, err
}

// DropUpload forgets a started upload.
func (s *Store) DropUpload(ctx context.Context, id string) error {
	return s.write(ctx, "drop upload", func(t *tx) error {
		_, err := t.exec(`delete from temp_uploads where id = $1 and pending`, id)
		return err
	})
}

// Upload reads one.
func (s *Store) Upload(ctx context.Context, id string) (store.Upload, error) {
	return one(ctx, s, "read upload", scanUpload, `select `+uploadCols+` from temp_uploads u where u.id = $1 and not u.pending`, flow.Text(id))
}

// Uploads reads some, by id.
func (s *Store) Uploads(ctx context.Context, ids []string) ([]store.Upload, error) {
	return all(ctx, s, "read uploads", scanUpload,
		`select `+uploadCols+` from temp_uploads u where u.id = any($1) and not u.pending order by u.id`, list(flow.Texts(ids)))
}

// UploadsOf reads those that an input names.
func (s *Store) UploadsOf(ctx context.Context, inputPath string) ([]store.Upload, error) {
	return all(ctx, s, "read uploads of an input", scanUpload, `select `+uploadCols+` from upload_uses v
		join temp_uploads u on u.id = v.upload_id where v.input_path = $1 and u.deleted_at is null and not u.pending order by u.id`, inputPath)
}

// ExpireUpload keeps an upload from being claimed.
func (s *Store) ExpireUpload(ctx context.Context, id string) (store.Upload, error) {
	return s.upload(ctx, "expire upload", store.ErrConflict, `update temp_uploads as u set expires_at = least(u.expires_at, clock_timestamp())
		where u.id = $1 and u.claimed_by_run_id is null and u.deleted_at is null and not u.pending returning `+uploadCols, flow.Text(id))
}

// ExpiredUploads lists what nobody claimed in time.
func (s *Store) ExpiredUploads(ctx context.Context, after store.Upload, limit int) ([]store.Upload, error) {
	return all(ctx, s, "list expired uploads", scanUpload, `select `+uploadCols+` from temp_uploads u
		where u.deleted_at is null and u.claimed_by_run_id is null and u.expires_at <= clock_timestamp() and ($2::timestamptz is null or (u.expires_at, u.id) > ($2, $3))
		order by u.expires_at, u.id limit $1`, limit, ts(after.ExpiresAt), after.ID)
}

// MarkUploadsDeleted notes that the objects of expired uploads are gone.
func (s *Store) MarkUploadsDeleted(ctx context.Context, ids []string) error {
	return s.write(ctx, "mark uploads deleted", func(t *tx) error {
		_, err := t.exec(`update temp_uploads as u set deleted_at = $2 where u.id = any($1) and u.claimed_by_run_id is null
			and u.deleted_at is null and u.expires_at <= $2`, list(ids), ts(t.now))
		return err
	})
}

// ArchiveUploads removes rows of uploads that were deleted long ago.
func (s *Store) ArchiveUploads(ctx context.Context, age time.Duration) (int, error) {
	gone := 0
	err := s.write(ctx, "archive uploads", func(t *tx) error {
		n, err := t.exec(`delete from temp_uploads where deleted_at < $1`, ts(t.now.Add(-age)))
		gone = int(n)
		return err
	})
	return gone, err
}

// UploadStats counts uploads.
func (s *Store) UploadStats(ctx context.Context) (store.UploadStats, error) {
	return one(ctx, s, "count uploads", func(row scanner, v *store.UploadStats) error {
		return row.Scan(&v.Total, &v.Expired, &v.Claimed, &v.Deleted)
	}, `select count(*), count(*) filter (where u.deleted_at is null and u.expires_at <= clock_timestamp()),
			count(u.claimed_by_run_id), count(u.deleted_at) from temp_uploads u where not u.pending`)
}

// claimUploads gives uploads to the first task runs whose input names them.
// What cannot be claimed is left: that never fails a task run.
func (t *tx) claimUploads(claims []flow.UploadClaim) {
	for _, c := range claims {
		ids := list(flow.Texts(c.Uploads))
		t.end.Queue(`insert into upload_uses (input_path, upload_id)
			select $1::text, u.id from temp_uploads u where u.id = any($2) and u.deleted_at is null and not u.pending
				and (u.claimed_by_run_id is not null or u.expires_at > $3) on conflict do nothing`, c.Path, ids, ts(t.now))
		t.end.Queue(`update temp_uploads as u set claimed_by_run_id = $1 where u.id = any($2) and u.claimed_by_run_id is null
			and u.deleted_at is null and not u.pending and u.expires_at > $3`, c.TaskRun, ids, ts(t.now))
	}
}
