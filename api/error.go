package api

import (
	"encoding/json"
	"fmt"
	"time"
)

// Error is the body of every answer outside 2xx, and the error that clients
// return for it.
type Error struct {
	Message   string `json:"error"`               // one sentence for people
	Detail    string `json:"message,omitempty"`   // more of it, where the contract has a second member
	Code      string `json:"code,omitempty"`      // for programs; see the Code constants
	Fix       string `json:"fix,omitempty"`       // the command or field that helps
	RequestID string `json:"requestId,omitempty"` // names the log line
	Details   any    `json:"details,omitempty"`
	// ValidationErrors are what is wrong with an input that was refused, by task.
	ValidationErrors map[string][]FieldError `json:"validationErrors,omitempty"`

	// Extra are further top-level members, such as the id that was not found.
	Extra map[string]any `json:"-"`
	// Status is the HTTP status; 0 when the server was not reached.
	Status int `json:"-"`
	// RetryAfter is how long the server asked to be left alone; 0 when it did
	// not. Only clients set it.
	RetryAfter time.Duration `json:"-"`
}

// Error returns the sentence, with the fix if there is one.
func (e *Error) Error() string {
	text := e.Message
	if e.Detail != "" {
		text = fmt.Sprintf("%s: %s", text, e.Detail)
	}
	if e.Fix != "" {
		text = fmt.Sprintf("%s (%s)", text, e.Fix)
	}
	return text
}

// MarshalJSON writes Extra beside the named members.
func (e *Error) MarshalJSON() ([]byte, error) {
	type plain Error
	named, err := json.Marshal((*plain)(e))
	if err != nil {
		return nil, err
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(named, &members); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for name, value := range e.Extra {
		out[name] = value
	}
	for name, value := range members {
		out[name] = value
	}
	return json.Marshal(out)
}

// The codes that programs branch on.
const (
	CodeInvalid         = "invalid_request"
	CodeUnauthorized    = "unauthorized"
	CodeRevoked         = "credential_revoked" // somebody took the credential's rights away
	CodeForbidden       = "forbidden"
	CodeNotFound        = "not_found"
	CodeConflict        = "conflict"
	CodeGone            = "gone"
	CodeTooLarge        = "payload_too_large"
	CodeUnsupportedType = "unsupported_media_type"
	CodeRateLimited     = "rate_limited"
	CodeMaintenance     = "maintenance"
	CodeNotReady        = "not_ready"
	CodeUnavailable     = "unavailable" // the database does not answer, or takes no writes
	CodeUpstream        = "upstream_failed"
	CodeUnreachable     = "unreachable" // of a client: nothing was sent, so nothing was done
	CodeInternal        = "internal"
	CodeUpgradeFailed   = "upgrade_failed" // it was taken back; details.failure says why

	CodeNoRelease   = "no_release"    // there is none that hosts would install
	CodeNothingToDo = "nothing_to_do" // all of it is as asked for already

	CodeValidation        = "validation_failed"
	CodeInvalidInput      = "invalid_input"
	CodeInvalidPipeline   = "invalid_pipeline"
	CodeLeaseLost         = "lease_lost"
	CodeForeignHost       = "foreign_host"
	CodeForeignOrigin     = "foreign_origin"
	CodeDispatchFailed    = "DISPATCH_FAILED"
	CodeTimeout           = "TIMEOUT"
	CodeInvalidToken      = "INVALID_TOKEN"
	CodeInvalidNextTasks  = "INVALID_NEXT_TASKS"
	CodeAuthPending       = "authorization_pending"
	CodeSlowDown          = "slow_down"
	CodeAccessDenied      = "access_denied"
	CodeExpiredToken      = "expired_token"
	CodeAlreadyConsumed   = "already_consumed"
	CodeStorageUnreadable = "storage_unreadable"
	CodeStorageAltered    = "storage_altered" // an object is not what was stored
	CodeStorageDenied     = "storage_denied"  // storage refuses the server's credentials

	CodeUntrusted       = "release_untrusted" // not signed by the key that is trusted
	CodeReleaseExpired  = "release_expired"
	CodeReleaseRollback = "release_rollback" // older than one that was seen before
	CodeReleaseYanked   = "release_yanked"
	CodeNoArtifact      = "no_artifact" // the release has no file for this system
	CodeDowngrade       = "downgrade_refused"
	CodeArtifactBroken  = "artifact_broken" // what was sent is not what was signed
	CodeBadArchive      = "bad_archive"     // what was signed must not be unpacked
	CodeDiskFull        = "disk_full"
	CodeProgramChanged  = "program_changed" // an installed program is not what was installed
	CodeInstaller       = "installer_failed"
)

// Time is an instant as every JSON of this project spells it: RFC 3339, UTC,
// exactly three fractional digits, Z. The zero value is null.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// At wraps an instant; the zero instant stays zero.
func At(t time.Time) Time { return Time{t} }

// String returns the wire form, empty for the zero value.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeLayout)
}

// MarshalJSON writes the wire form, or null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.String() + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 instant; null and "" read as zero.
func (t *Time) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if text == nil || *text == "" {
		*t = Time{}
		return nil
	}
	parsed, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		return err
	}
	t.Time = parsed
	return nil
}
