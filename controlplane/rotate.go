package controlplane

import (
	"context"
	"errors"
	"net/http"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/store"
)

// eventTokenRotated is what a worker's event log says of a new token.
const eventTokenRotated = "token.rotated"

// rotateToken answers POST /api/v1/workers/self/rotate: a new token beside the
// one that was shown. Nothing ends yet, so a worker that never gets the answer,
// or cannot keep it, goes on as before.
func (s *Server) rotateToken(ctx context.Context, _ none) (api.RotatedToken, error) {
	id := caller(ctx)
	token := secret.New(kindWorker)
	text := token.Reveal()
	_, err := s.st.RotateWorkerToken(ctx, store.RotateWorkerToken{Old: id.token.Hash(), New: token.Hash(), LastFour: text[len(text)-4:]})
	switch {
	case errors.Is(err, store.ErrConflict):
		return api.RotatedToken{}, hostError(http.StatusConflict, api.CodeConflict, "the token was replaced already")
	case err != nil:
		return api.RotatedToken{}, gone(err)
	}
	if _, err := s.st.AddWorkerEvent(ctx, store.WorkerEvent{Worker: id.worker, Type: eventTokenRotated, At: s.o.Now()}); err != nil {
		s.o.Log.WarnContext(ctx, "rotation not noted at the worker", "worker", id.worker, "error", err)
	}
	s.o.Log.InfoContext(ctx, "worker token replaced", "worker", id.worker, "request", httpkit.RequestID(ctx))
	httpkit.SetStatus(ctx, http.StatusCreated)
	return api.RotatedToken{WorkerToken: text}, nil
}

// askRotation answers POST .../workers/{id}/rotate-token: the worker hears of
// it with its next heartbeat.
func (s *Server) askRotation(ctx context.Context, _ none) (none, error) {
	worker, err := s.pathWorker(ctx)
	if err != nil {
		return none{}, err
	}
	if err := s.st.AskRotation(ctx, worker.ID); err != nil {
		return none{}, missing(err, "Worker", "workerId", pathID(ctx))
	}
	s.tokens.forget()
	s.o.Log.InfoContext(ctx, "worker asked to replace its token", "worker", worker.ID, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return none{}, nil
}

// rotationDue reports whether the caller's token should be replaced: somebody
// asked for it, or it has served long enough.
func (s *Server) rotationDue(id identity) bool {
	old := s.o.TokenMaxAge > 0 && s.o.Now().Sub(id.since) > s.o.TokenMaxAge
	return id.rotate || old
}
