package daemon

import (
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"pipedai/enroll"
	"pipedai/internal/redact"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// secrets is what must not show in captured output: every token and secret
// variable in the files of this host.
type secrets struct {
	set atomic.Pointer[redact.Set]

	mu    sync.Mutex
	files map[string]secretFile // by path, as they were read last
}

// secretFile is a file that was read, and what was in it.
type secretFile struct {
	info   fs.FileInfo // nil: it is not there
	values []string
}

// isStill reports whether the file is the one that was read. Ours are replaced,
// so a change makes another file of it even within one tick of the clock.
func (f secretFile) isStill(now fs.FileInfo) bool {
	if f.info == nil || now == nil {
		return f.info == nil && now == nil
	}
	return os.SameFile(f.info, now) && f.info.ModTime().Equal(now.ModTime()) && f.info.Size() == now.Size() && f.info.Mode() == now.Mode()
}

// learnSecrets collects the secrets of this host, to keep them out of captured
// output. Only files that are others than the last time are read.
func (h *host) learnSecrets(entries []manifest.Entry) {
	s := &h.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	before, changed := s.files, false
	s.files = make(map[string]secretFile, 1+2*len(entries))
	learn := func(path string, read func() []secret.Text) {
		info, err := os.Lstat(path)
		if err != nil {
			info = nil // what cannot be looked at cannot be read
		}
		file, known := before[path]
		if !known || !file.isStill(info) {
			changed = true
			file = secretFile{info: info}
			for _, text := range read() {
				file.values = append(file.values, text.Reveal())
			}
		}
		s.files[path] = file
	}
	learn(h.o.Dir.Credentials(), func() []secret.Text {
		creds, _ := enroll.LoadCredentials(h.o.Dir.Credentials()) // without them nothing is asked of a control plane, and that is said
		return creds.Secrets()
	})
	for _, e := range entries {
		learn(e.ConfigPath, func() []secret.Text {
			h.protect(e)
			file, _ := enroll.ReadWorkerFile(e.ConfigPath) // the worker says it
			return []secret.Text{file.WorkerToken}
		})
		learn(enroll.WorkerEnvFile(e.ConfigPath), func() (all []secret.Text) {
			env, _ := enroll.ReadWorkerEnv(e.ConfigPath) // see workerEnv
			for _, value := range env {
				all = append(all, value)
			}
			return all
		})
	}
	if !changed && len(s.files) == len(before) {
		return
	}
	var known []string
	for _, file := range s.files {
		known = append(known, file.values...)
	}
	set, refused := redact.New(known...)
	if refused > 0 {
		h.o.Log.Warn("secrets are too short to be taken out of worker output", "count", refused, "shortest", redact.MinLength)
	}
	s.set.Store(set)
}

// hidden is what is taken out of a worker's output: the secrets of all, for
// one may print another's.
func (h *host) hidden(string) *redact.Set { return h.secrets.set.Load() }
