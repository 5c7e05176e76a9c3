package store

import (
	"context"
	"time"

	"pipedai/pipeline"
)

// Uploads keeps files that people hand in to be used by a task. An upload
// expires unless the input of a task run names it in time: that claims it, and
// a claimed one is kept.
type Uploads interface {
	// StartUpload notes an upload before its object is written, so that an
	// object whose writer died is found and removed like an expired one. Until
	// FinishUpload it does not exist for readers.
	StartUpload(ctx context.Context, u Upload) error
	// FinishUpload makes a started upload one that can be used until expires.
	// ErrNotFound when it was not started, or removed meanwhile.
	FinishUpload(ctx context.Context, id string, size int64, expires time.Time) (Upload, error)
	// DropUpload forgets a started upload whose object was not written.
	DropUpload(ctx context.Context, id string) error
	Upload(ctx context.Context, id string) (Upload, error)
	// Uploads returns those of the ids that exist, deleted ones too, by id.
	Uploads(ctx context.Context, ids []string) ([]Upload, error)
	// UploadsOf returns the uploads that the input of that path names and that
	// are not deleted, by id.
	UploadsOf(ctx context.Context, inputPath string) ([]Upload, error)
	// ExpireUpload makes an upload one that nobody can claim any more, so that
	// its object can be removed. ErrConflict when it is claimed or deleted.
	ExpireUpload(ctx context.Context, id string) (Upload, error)
	// ExpiredUploads lists uploads that nobody claimed in time and whose object
	// is still there, also those never finished; the oldest expiry first, after
	// a place in that order.
	ExpiredUploads(ctx context.Context, after Upload, limit int) ([]Upload, error)
	// MarkUploadsDeleted notes that the objects of expired uploads are gone.
	MarkUploadsDeleted(ctx context.Context, ids []string) error
	// ArchiveUploads removes the rows of uploads deleted longer ago than age and
	// returns how many.
	ArchiveUploads(ctx context.Context, age time.Duration) (int, error)
	UploadStats(ctx context.Context) (UploadStats, error)
}

// Upload is one file.
type Upload struct {
	ID         string // "tmp_" and 21 characters
	Backend    string // where the object is
	Path       string
	Filename   string
	MimeType   string
	Size       int64
	UploadedBy string
	UploadedAt time.Time
	ExpiresAt  time.Time
	ClaimedBy  pipeline.TaskRunID // empty: nobody
	DeletedAt  time.Time          // zero: its object is there
	Pending    bool               // not finished
}

// UploadStats counts uploads. Expired ones are past their time and not deleted.
type UploadStats struct{ Total, Expired, Claimed, Deleted int }
