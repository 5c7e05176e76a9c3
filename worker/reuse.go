package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// KeyFunc names work by its input and the version of the code that does it, so
// that the control plane can tell when it was done before. Equal keys of a task
// mean equal results: what the result depends on belongs into the key. No key
// means that this attempt is executed in any case; an error fails it.
type KeyFunc func(input json.RawMessage, codeVersion int) (key string, err error)

// maxKey bounds a key on the wire; longer ones travel as their hash.
const maxKey = 255

// KeyFrom makes a KeyFunc of a function that takes its input decoded. Input
// that does not fit In fails the attempt for good.
func KeyFrom[In any](key func(in In, codeVersion int) string) KeyFunc {
	return func(input json.RawMessage, codeVersion int) (string, error) {
		var in In
		if err := json.Unmarshal(input, &in); err != nil {
			return "", Fatal(CodeBadInput, "the input does not fit the task's idempotency key: %s", jsonProblem(err))
		}
		return key(in, codeVersion), nil
	}
}

// KeyOf makes a KeyFunc of members of the input, and of the code version: a new
// version of the code does the work again. "$" is the whole input, "$.a.b" the
// member b of its member a; one that is not there counts as null.
func KeyOf(paths ...string) (KeyFunc, error) {
	members := make([][]string, len(paths))
	for i, path := range paths {
		rest, ok := strings.CutPrefix(path, "$")
		if rest != "" {
			members[i] = strings.Split(strings.TrimPrefix(rest, "."), ".")
			ok = ok && rest[0] == '.'
		}
		for _, member := range members[i] {
			ok = ok && member != ""
		}
		if !ok {
			return nil, fmt.Errorf("%q does not name the input ($) or a member of it ($.name)", path)
		}
	}
	if len(paths) == 0 {
		return nil, errors.New("an idempotency key needs at least one member of the input")
	}
	return func(input json.RawMessage, codeVersion int) (string, error) {
		var whole any
		if err := json.Unmarshal(input, &whole); err != nil {
			return "", Fatal(CodeBadInput, "the input is not JSON: %s", jsonProblem(err))
		}
		parts := []any{codeVersion}
		for _, path := range members {
			value := whole
			for _, name := range path {
				object, _ := value.(map[string]any)
				value = object[name]
			}
			parts = append(parts, value)
		}
		key, err := json.Marshal(parts) // members of objects in one order
		return string(key), err
	}, nil
}

// asker asks for the results of others before an attempt is executed.
type asker struct {
	check func(context.Context, api.IdempotencyCheck) (api.IdempotencyAnswer, error)
	wait  backoff.Policy // while another attempt is at it
	retry backoff.Policy // between failed calls
}

// reuse returns the result that is known for an attempt; nil when it is to be
// executed. While another attempt is at the same work it waits: that one's
// result is used, or, when it fails, its turn taken. Nothing is executed
// without an answer, for nobody could say then that it is done once.
func (a *tried) reuse(ctx context.Context, input json.RawMessage, lines func(logLine)) (*api.IdempotencyAnswer, error) {
	if a.entry.IdempotencyKey == nil {
		return nil, nil
	}
	key, err := keyOf(a.entry.IdempotencyKey, input, a.d.CodeVersion)
	if err != nil || key == "" {
		return nil, err
	}
	waiting, failed := 0, 0
	for {
		answer, err := a.x.asker.check(ctx, api.IdempotencyCheck{RunID: a.d.RunID, Attempt: a.d.Attempt, Key: key})
		var pause time.Duration
		switch {
		case err == nil && answer.Hit:
			lines(note("the work was done before; its result is used", answer.Of))
			return &answer, nil
		case err == nil && !answer.InProgress:
			return nil, nil
		case err == nil:
			if waiting == 0 {
				lines(note("the same work is under way; its result is waited for", answer.Of))
			}
			waiting++
			failed, pause = 0, a.x.asker.wait.Delay(waiting)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case verdict(err) == gone:
			return nil, Fatal(CodeCancelled, "the run is not this worker's any more: %w", err)
		case verdict(err) == refused:
			return nil, Retryable(api.CodeUpstream, "ask whether the work was done before: %w", err)
		default:
			failed++
			pause = a.x.asker.retry.Delay(failed)
			a.log.Warn("no answer whether the work was done before, asking again", "in", pause.Round(time.Millisecond), "error", err)
		}
		if !backoff.Sleep(ctx, pause) {
			return nil, ctx.Err()
		}
	}
}

func note(message, of string) logLine {
	return logLine{at: time.Now(), level: slog.LevelInfo, message: message, fields: map[string]any{"of": of}}
}

// keyOf asks a KeyFunc, which is the author's and may panic.
func keyOf(f KeyFunc, input json.RawMessage, codeVersion int) (key string, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = Fatal(CodePanic, "panic in the idempotency key: %v", reason)
		}
	}()
	key, err = f(input, codeVersion)
	if err == nil && len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])
	}
	return key, err
}

// reused reports a result that another attempt made.
func reused(attempt int, known *api.IdempotencyAnswer) api.CallbackRequest {
	req := api.CallbackRequest{
		Status: "success", Attempt: attempt, OutputPath: known.OutputPath, OutputSHA256: known.OutputSHA256,
		Assets: known.Assets, SelectedNext: known.SelectedNext,
	}
	if known.OutputSize != nil {
		size := float64(*known.OutputSize)
		req.OutputSize = &size
	}
	return req
}
