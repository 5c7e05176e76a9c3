package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/storage"
	"pipedai/store"
)

const (
	// uploadsEvery is how often uploads are cleaned up, uploadsPass how many of
	// them one pass takes.
	uploadsEvery = time.Hour
	uploadsPass  = 100
	// uploadsKept is how long the row of a deleted upload stays.
	uploadsKept = 30 * 24 * time.Hour
)

// expireUploads removes the objects of uploads that nobody claimed in time. An
// object that cannot be removed is left for the next time and does not keep
// others from theirs.
func (e *Engine) expireUploads(ctx context.Context) (removed int, more bool, err error) {
	var last store.Upload
	for range upkeepRounds {
		list, err := e.store.ExpiredUploads(ctx, last, uploadsPass)
		if err != nil {
			return removed, false, fmt.Errorf("list expired uploads: %w", err)
		}
		var gone []string
		for _, u := range list {
			if err := e.removeUpload(ctx, u); err != nil {
				e.log.Warn("remove an expired upload", "upload", u.ID, "path", u.Path, "error", err)
				continue
			}
			gone = append(gone, u.ID)
		}
		if len(gone) > 0 {
			if err := e.store.MarkUploadsDeleted(ctx, gone); err != nil {
				return removed, false, fmt.Errorf("note removed uploads: %w", err)
			}
		}
		removed += len(gone)
		if len(list) < uploadsPass {
			break
		}
		last = list[len(list)-1]
	}
	return removed, false, nil
}

// archiveUploads removes the rows of uploads that were removed long ago.
func (e *Engine) archiveUploads(ctx context.Context) (int, bool, error) {
	n, err := e.store.ArchiveUploads(ctx, uploadsKept)
	return n, false, err
}

// uploadsRef is the name under which workers that do not know uploads find
// them: as assets of a task that is not there.
const uploadsRef = "tempUploads"

// nameUploads tells a worker of the uploads that its input names. One that
// knows no uploads gets them as assets, whose keys are their ids, of one more
// upstream entry; its output is an object that says what they are.
func (e *Engine) nameUploads(ctx context.Context, c store.Claimed, place Backend, d *api.Dispatch) (store.UpstreamRefs, error) {
	refs := c.TaskRun.UpstreamRefs
	// A large input is not at hand; looking costs less than fetching it.
	if c.InputInline != nil && len(uploadsIn(c.InputInline)) == 0 {
		return refs, nil
	}
	uploads, err := e.store.UploadsOf(ctx, c.TaskRun.InputPath)
	if err != nil {
		return nil, fmt.Errorf("read uploads of the input: %w", err)
	}
	if len(uploads) == 0 {
		return refs, nil
	}
	d.TempUploads = map[string]api.TempUpload{}
	assets := map[string]store.Asset{}
	for _, u := range uploads {
		if err := e.bringUpload(ctx, u, place); err != nil {
			return nil, err
		}
		d.TempUploads[u.ID] = api.TempUpload{Path: u.Path, Size: u.Size, MimeType: u.MimeType, Filename: u.Filename}
		assets[u.ID] = store.Asset{Path: u.Path, Size: u.Size, Type: string(storage.AssetBinary)}
	}
	if c.Service.InlineInput { // a worker that knows what came later
		return refs, nil
	}
	about, err := json.Marshal(d.TempUploads)
	if err != nil {
		return nil, fmt.Errorf("encode uploads: %w", err)
	}
	at := strings.TrimSuffix(c.TaskRun.InputPath, "input.json") + "uploads.json"
	if _, err, _ := e.placing.Do(at, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.DispatchTimeout)
		defer cancel()
		return e.put(ctx, place, at, about)
	}); err != nil {
		return nil, err
	}
	// First, so that results of tasks win.
	return append(store.UpstreamRefs{{Task: uploadsRef, OutputPath: at, Assets: assets}}, refs...), nil
}

// bringTime bounds the copy of an upload to another backend.
const bringTime = 5 * time.Minute

// bringUpload copies an upload to the place where its run keeps its objects,
// which is the only one that the worker can read, unless it is there.
func (e *Engine) bringUpload(ctx context.Context, u store.Upload, to Backend) error {
	from, known := e.backends[u.Backend]
	if !known || u.Backend == to.Config.ID {
		return nil // or its worker says that it is not there
	}
	_, err, _ := e.placing.Do(to.Config.ID+"/"+u.Path, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bringTime)
		defer cancel()
		if object, err := to.Bucket.Stat(ctx, u.Path); err == nil && object.Size == u.Size {
			return nil, nil
		}
		body, _, err := from.Bucket.Get(ctx, u.Path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = body.Close() }() // it was only read
		return to.Bucket.Put(ctx, u.Path, body, u.Size, u.MimeType)
	})
	if err != nil {
		return fmt.Errorf("bring upload %q to backend %q: %w", u.ID, to.Config.ID, err)
	}
	return nil
}
