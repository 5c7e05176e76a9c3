package api

// Token is an operator's credential as others may see it: never the token.
type Token struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Role       string `json:"role"`     // "viewer", "operator" or "admin"
	LastFour   string `json:"lastFour"` // of the token, to tell it by
	CreatedAt  Time   `json:"createdAt"`
	ExpiresAt  Time   `json:"expiresAt"`  // null: never
	RevokedAt  Time   `json:"revokedAt"`  // null: it is valid, or expired
	LastUsedAt Time   `json:"lastUsedAt"` // null: never
}

// Tokens answers GET /api/v1/tokens, newest first.
type Tokens struct {
	Items []Token `json:"items"`
}

// CreateTokenRequest is POST /api/v1/tokens.
type CreateTokenRequest struct {
	Name         string `json:"name" validate:"required,max=255"`
	Role         string `json:"role" validate:"required,oneof=viewer operator admin"`
	ExpiresInSec int64  `json:"expiresInSec,omitempty" validate:"gte=0,lte=315360000"` // 0: never
}

// CreatedToken answers it; the token is shown this once.
type CreatedToken struct {
	Token
	Secret string `json:"token"`
	// WorkerPath is what workers that cannot send a token append to the address
	// of the server, because from the first token on every caller needs one.
	WorkerPath string `json:"workerPath"`
}
