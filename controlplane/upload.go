package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

const (
	uploadLabel = "Upload failed"
	// uploadAround is what a form may have besides its file.
	uploadAround = 1 << 20
	// uploadTime is how long a file may take to arrive.
	uploadTime = time.Hour
)

var (
	errNoFile     = &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "No file provided", Fix: "send multipart/form-data with one part named \"file\""}
	errManyFiles  = &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Only one file per request"}
	errUploadSize = &api.Error{
		Status: http.StatusRequestEntityTooLarge, Code: api.CodeTooLarge, Message: "Payload too large",
		Fix: fmt.Sprintf("send at most %d bytes", engine.MaxUpload),
	}
	errUploadCut = &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "The file did not arrive whole"}
)

// uploadTemp answers POST /api/upload/temp: a file that a task will be given.
// It goes from the request to storage as it comes.
func (s *Server) uploadTemp(w http.ResponseWriter, r *http.Request) {
	u, err := s.receive(w, r)
	if err != nil {
		s.fail(w, r, uploadLabel, err)
		return
	}
	s.o.Log.InfoContext(r.Context(), "file uploaded", "upload", u.ID, "bytes", u.Size, "request", httpkit.RequestID(r.Context()))
	httpkit.Write(w, http.StatusOK, api.Uploaded{
		UploadID: u.ID, StoragePath: u.Path, Filename: u.Filename, Size: u.Size, MimeType: u.MimeType, ExpiresAt: api.At(u.ExpiresAt),
	})
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request) (store.Upload, error) {
	// The deadline of the server is for ordinary bodies. Where the connection
	// knows none, that one stays.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadTime))
	r.Body = http.MaxBytesReader(w, r.Body, engine.MaxUpload+uploadAround)
	form, err := r.MultipartReader()
	if err != nil {
		return store.Upload{}, errNoFile
	}
	file, err := nextFile(form)
	if errors.Is(err, io.EOF) {
		return store.Upload{}, errNoFile
	}
	if err != nil {
		return store.Upload{}, arrival(err)
	}
	source := &uploadSource{r: file}
	u, err := s.o.Engine.Upload(r.Context(), engine.NewUpload{
		Filename: file.FileName(), MimeType: file.Header.Get("Content-Type"), By: uploader(r), Body: source,
	})
	if err != nil {
		if source.err != nil {
			return store.Upload{}, arrival(source.err)
		}
		return store.Upload{}, uploadError(err)
	}
	// Whole is what the form says is whole; and there is one file in it.
	if _, err = nextFile(form); errors.Is(err, io.EOF) {
		return u, nil
	}
	if _, undo := s.o.Engine.DeleteUpload(context.WithoutCancel(r.Context()), u.ID); undo != nil {
		s.o.Log.WarnContext(r.Context(), "a refused upload is left to expire", "upload", u.ID, "error", undo)
	}
	if err != nil {
		return store.Upload{}, arrival(err)
	}
	return store.Upload{}, errManyFiles
}

// nextFile skips to the next part that is a file of ours; io.EOF when there is
// none.
func nextFile(form *multipart.Reader) (*multipart.Part, error) {
	for {
		part, err := form.NextPart()
		if err != nil || part.FormName() == "file" {
			return part, err
		}
	}
}

// uploadSource remembers that reading failed, which is not a fault of storage.
type uploadSource struct {
	r   io.Reader
	err error
}

func (s *uploadSource) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.err = err
	}
	return n, err
}

// arrival says what is wrong with a body that broke off or went on too long.
func arrival(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errUploadSize
	}
	return errUploadCut
}

func uploadError(err error) error {
	if errors.Is(err, engine.ErrUploadTooLarge) {
		return errUploadSize
	}
	return err
}

// uploader is who says to have sent the file, or the address it came from.
func uploader(r *http.Request) string {
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	return cut(cmp.Or(r.Header.Get("X-User-Id"), address, "anonymous"), 255)
}

// uploadInfo answers GET /api/upload/temp/{id}.
func (s *Server) uploadInfo(ctx context.Context, _ none) (api.UploadInfo, error) {
	u, err := s.st.Upload(ctx, pathID(ctx))
	if err != nil {
		return api.UploadInfo{}, missing(err, "Upload", "", "")
	}
	out := api.UploadInfo{
		UploadID: u.ID, StoragePath: u.Path, StorageBackendID: u.Backend, UploadedAt: api.At(u.UploadedAt), ExpiresAt: api.At(u.ExpiresAt),
		DeletedAt: api.At(u.DeletedAt), Filename: u.Filename, MimeType: u.MimeType, Size: u.Size,
		Expired: !u.ExpiresAt.After(s.o.Now()), Claimed: u.ClaimedBy != "", Deleted: !u.DeletedAt.IsZero(),
	}
	if out.Claimed {
		id := string(u.ClaimedBy)
		out.ClaimedByRunID = &id
	}
	return out, nil
}

// deleteUpload answers DELETE /api/upload/temp/{id}.
func (s *Server) deleteUpload(ctx context.Context, _ none) (api.UploadDeleted, error) {
	id := pathID(ctx)
	u, err := s.o.Engine.DeleteUpload(ctx, id)
	switch {
	case errors.Is(err, engine.ErrUploadDeleted):
		return api.UploadDeleted{}, &api.Error{Status: http.StatusGone, Code: api.CodeGone, Message: "Upload already deleted"}
	case errors.Is(err, store.ErrConflict):
		return api.UploadDeleted{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: "Upload already claimed by task run",
			Extra: map[string]any{"claimedByRunId": string(u.ClaimedBy)},
		}
	case err != nil:
		return api.UploadDeleted{}, missing(err, "Upload", "", "")
	}
	return api.UploadDeleted{Success: true, UploadID: id}, nil
}

// uploadStats answers GET /api/upload/stats.
func (s *Server) uploadStats(ctx context.Context, _ none) (api.UploadStats, error) {
	stats, err := s.st.UploadStats(ctx)
	return api.UploadStats{Total: stats.Total, Expired: stats.Expired, Claimed: stats.Claimed, Deleted: stats.Deleted}, err
}
