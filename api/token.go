package api

// Token is a credential that operators were given, or one that admits a worker
// or a host, as others may see it: never the token.
type Token struct {
	ID         string `json:"id"`
	Kind       string `json:"kind"`                  // its prefix: "pwk", "pop", "pool", "wrk" or "enr"
	Name       string `json:"name"`                  // or the label of what it admits
	Role       string `json:"role,omitempty"`        // of a pwk token: "viewer", "operator" or "admin"
	LastFour   string `json:"lastFour"`              // of the token, to tell it by; empty where nobody kept it
	Workspace  string `json:"workspaceId,omitempty"` // empty: the pool's
	CreatedBy  string `json:"createdBy,omitempty"`
	Used       bool   `json:"used,omitempty"` // it works once, and has
	CreatedAt  Time   `json:"createdAt"`
	ExpiresAt  Time   `json:"expiresAt"`  // null: never
	RevokedAt  Time   `json:"revokedAt"`  // null: it is valid, or expired
	LastUsedAt Time   `json:"lastUsedAt"` // null: never
}

// The kinds of token that operators create.
const (
	TokenOperator     = "pwk"  // of a person or a program, with a role
	TokenPoolRead     = "pop"  // lists the workers of the pool
	TokenPool         = "pool" // admits one worker to the pool
	TokenRegistration = "wrk"  // admits one worker to a workspace
	TokenEnrollment   = "enr"  // admits one host to a workspace
)

// Tokens answers GET /api/v1/tokens, newest first.
type Tokens struct {
	Items []Token `json:"items"`
}

// CreateTokenRequest is POST /api/v1/tokens.
type CreateTokenRequest struct {
	Name         string `json:"name" validate:"required,max=255"`
	Kind         string `json:"kind,omitempty" validate:"omitempty,oneof=pwk pop pool wrk enr"`  // "pwk"
	Role         string `json:"role,omitempty" validate:"omitempty,oneof=viewer operator admin"` // of a pwk token, which needs one
	Workspace    string `json:"workspaceId,omitempty" validate:"max=255"`                        // the caller's own
	Environment  string `json:"environmentId,omitempty" validate:"max=255"`                      // of an enr token: where its host goes
	ExpiresInSec int64  `json:"expiresInSec,omitempty" validate:"gte=0,lte=315360000"`           // 0: never; what admits lasts an hour (pool), a quarter of one (wrk), a day (enr)
}

// CreatedToken answers it; the token is shown this once.
type CreatedToken struct {
	Token
	Secret string `json:"token"`
	// WorkerPath is what workers that cannot send a token append to the address
	// of the server, because from the first token on every caller needs one.
	WorkerPath string `json:"workerPath,omitempty"`
}
