package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/storage"
	"pipedai/store"
)

const artifactLabel = "Failed to store the artifact"

// artifactTime is how long an artifact may take to arrive.
const artifactTime = 2 * time.Hour

// artifactNamed finds an artifact of a version by name, on whatever channel: a
// version has one set of bytes. Among releases that were not published it is the
// last one that counts.
func (s *Server) artifactNamed(ctx context.Context, program, version, name string) (store.Release, store.ReleaseArtifact, error) {
	all, err := s.st.Releases(ctx, store.ReleaseFilter{Program: program, Version: version})
	if err != nil {
		return store.Release{}, store.ReleaseArtifact{}, err
	}
	var of store.Release
	var found store.ReleaseArtifact
	for _, r := range all {
		for _, a := range r.Artifacts {
			better := found.Name == "" || found.Path == "" && (a.Path != "" || r.AddedAt.After(of.AddedAt))
			if a.Name == name && better {
				of, found = r, a
			}
		}
	}
	if found.Name == "" {
		return of, found, &api.Error{
			Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Artifact not found",
			Extra: map[string]any{"program": program, "version": version, "name": name},
		}
	}
	return of, found, nil
}

// putArtifact answers PUT /api/v1/releases/{program}/{version}/artifacts/{name}:
// the bytes that were signed, and no others. They go to storage as they come,
// and are there only when the last of them was right.
func (s *Server) putArtifact(w http.ResponseWriter, r *http.Request) {
	program, version, name := r.PathValue("program"), r.PathValue("version"), r.PathValue("name")
	recordOf(r.Context()).on(cut(program+"/"+version, 255)).detail("artifact %s", cut(name, 255))
	if err := ofDefault(r.Context()); err != nil {
		s.fail(w, r, artifactLabel, err)
		return
	}
	of, a, err := s.artifactNamed(r.Context(), program, version, name)
	switch {
	case err != nil:
	case !of.YankedAt.IsZero():
		err = releaseRefused(store.ErrYanked)
	case a.Path != "":
		httpkit.Write(w, http.StatusOK, api.StoredArtifact{Name: a.Name, Size: a.Size, SHA256: a.SHA256, Published: !of.PublishedAt.IsZero()})
		return
	case r.ContentLength >= 0 && r.ContentLength != a.Size:
		err = mismatch(a, fmt.Sprintf("it has %d bytes and not the %d that were signed", r.ContentLength, a.Size))
	}
	if err != nil {
		s.fail(w, r, artifactLabel, err)
		return
	}
	// The deadline of the server is for ordinary bodies. Where the connection
	// knows none, that one stays.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(artifactTime))
	published, err := s.storeArtifact(r.Context(), of, a, r.Body)
	if err != nil {
		s.fail(w, r, artifactLabel, err)
		return
	}
	s.o.Log.InfoContext(r.Context(), "artifact stored", "program", program, "version", version, "name", name, "bytes", a.Size,
		"published", published, "request", httpkit.RequestID(r.Context()))
	httpkit.Write(w, http.StatusCreated, api.StoredArtifact{Name: a.Name, Size: a.Size, SHA256: a.SHA256, Published: published})
}

func (s *Server) storeArtifact(ctx context.Context, of store.Release, a store.ReleaseArtifact, body io.Reader) (published bool, err error) {
	path := "releases/" + of.Program + "/" + of.Version + "/" + a.SHA256 + "/" + a.Name
	signed := &signedBytes{r: body, left: a.Size, artifact: a, hash: sha256.New()}
	backend, err := s.o.Engine.PutObject(ctx, path, signed, a.Size, storage.ContentBinary)
	if signed.err != nil { // not a fault of storage
		return false, signed.err
	}
	if err != nil {
		return false, err
	}
	now, err := s.st.StoreArtifact(ctx, store.StoredArtifact{Program: of.Program, SHA256: a.SHA256, Size: a.Size, Backend: backend, Path: path})
	for _, r := range now {
		s.releaseChanged(r)
		s.o.Log.InfoContext(ctx, "release published", "program", r.Program, "version", r.Version, "channel", r.Channel,
			"sequence", r.Sequence, "by", r.AddedBy, "request", httpkit.RequestID(ctx))
		published = published || r.ID == of.ID
	}
	return published, err
}

func mismatch(a store.ReleaseArtifact, detail string) error {
	return &api.Error{
		Status: http.StatusUnprocessableEntity, Code: api.CodeArtifactMismatch, Message: "The artifact is not what was signed",
		Detail: detail, Extra: map[string]any{"name": a.Name},
	}
}

// signedBytes reads what must be an artifact. Its last bytes are handed on only
// once all of them are known to be what was signed and nothing follows, so that
// no storage can take wrong ones for whole.
type signedBytes struct {
	r        io.Reader
	left     int64
	artifact store.ReleaseArtifact
	hash     hash.Hash
	err      error // why the body was refused
}

func (s *signedBytes) Read(p []byte) (int, error) {
	switch {
	case s.err != nil:
		return 0, s.err
	case s.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	s.left -= int64(n)
	switch {
	case s.left == 0:
		s.err = s.verdict()
	case errors.Is(err, io.EOF):
		s.err = mismatch(s.artifact, fmt.Sprintf("it ends after %d bytes of %d", s.artifact.Size-s.left, s.artifact.Size))
	case err != nil:
		s.err = errUploadCut
	}
	if s.err != nil {
		return 0, s.err
	}
	return n, nil
}

// verdict is nil when all that came is what was signed.
func (s *signedBytes) verdict() error {
	if n, _ := io.ReadFull(s.r, make([]byte, 1)); n > 0 {
		return mismatch(s.artifact, fmt.Sprintf("it has more than the %d bytes that were signed", s.artifact.Size))
	}
	if got := hex.EncodeToString(s.hash.Sum(nil)); got != s.artifact.SHA256 {
		return mismatch(s.artifact, "its SHA-256 is "+got+" and not "+s.artifact.SHA256)
	}
	return nil
}

// getArtifact answers GET /api/v1/releases/{program}/{version}/artifacts/{name},
// whole or in part. What is whole is verified while it is sent: of a file that
// is not what was signed, the last bytes do not come.
func (s *Server) getArtifact(w http.ResponseWriter, r *http.Request) {
	const label = "Failed to get the artifact"
	of, a, err := s.artifactNamed(r.Context(), r.PathValue("program"), r.PathValue("version"), r.PathValue("name"))
	if err == nil && (a.Path == "" || of.PublishedAt.IsZero()) {
		err = &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Artifact not found", Extra: map[string]any{"name": a.Name}}
	}
	if err != nil {
		s.fail(w, r, label, err)
		return
	}
	object, err := s.o.Engine.Stat(r.Context(), a.Path, a.Backend)
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && object.Size != a.Size:
		// The database says it is there: this is for whoever runs the server.
		err = fmt.Errorf("artifact %s of %s %s: %w", a.Name, of.Program, of.Version, storage.ErrAltered)
	}
	if err != nil {
		s.fail(w, r, label, err)
		return
	}
	object.SHA256 = a.SHA256
	tag(w.Header(), object)
	if wanted := r.Header.Get("Range"); wanted != "" && !strings.Contains(wanted, ",") {
		s.sendRange(w, r, object)
		return
	}
	safely(w.Header(), a.Name, storage.ContentBinary)
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, w.Header().Get("ETag")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(a.Size, 10))
	if r.Method == http.MethodHead {
		return
	}
	body, err := object.Open(r.Context())
	if err != nil {
		for _, header := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Length", "Accept-Ranges"} {
			w.Header().Del(header)
		}
		s.fail(w, r, label, err)
		return
	}
	defer func() { _ = body.Close() }() // it was only read
	if _, err := io.Copy(w, body); err != nil {
		s.o.Log.WarnContext(r.Context(), "artifact not sent whole", "path", a.Path, "request", httpkit.RequestID(r.Context()), "error", err)
		panic(http.ErrAbortHandler) // the length tells the client
	}
}
