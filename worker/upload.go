package worker

import (
	"fmt"

	"pipedai/api"
	"pipedai/storage"
)

// Upload is a file that somebody handed in for this run.
type Upload struct {
	ID       string // as the input has it
	Filename string // as it was called where it came from
	MimeType string
	Size     int64
	Path     string // a file with its content, for as long as the attempt runs
}

// Upload fetches the uploaded file that the input names by its id ("tmp_...").
// It is fetched once and checked against the size it was stored with.
func (c *Context) Upload(id string) (Upload, error) {
	about, known := c.facts.uploads[id]
	if !known {
		return Upload{}, fmt.Errorf("Upload '%s' not found", id)
	}
	path, err := c.AssetPath(id)
	if err != nil {
		return Upload{}, fmt.Errorf("upload %q: %w", id, err)
	}
	return Upload{ID: id, Filename: about.Filename, MimeType: about.MimeType, Size: about.Size, Path: path}, nil
}

// UploadIDs lists the uploaded files that the input names, ascending.
func (c *Context) UploadIDs() []string { return sortedKeys(c.facts.uploads) }

// uploadAssets are uploads as assets, which is how they are fetched.
func uploadAssets(uploads map[string]api.TempUpload) map[string]api.Asset {
	out := make(map[string]api.Asset, len(uploads))
	for id, u := range uploads {
		out[id] = api.Asset{Path: u.Path, Size: u.Size, Type: string(storage.AssetBinary)}
	}
	return out
}
