package store

import "context"

// BootstrapToken is the name of the token that a server makes for the owner of
// its state folder. It alone does not mean that tokens are in use.
const BootstrapToken = "admin"

// Tokens keeps the credentials of operators. It knows them by hash only.
type Tokens interface {
	// CreateToken stores a token's hash; ErrConflict when it exists.
	CreateToken(ctx context.Context, t Token) error
	// TokenByHash finds a token that is valid now (not revoked, not expired) and
	// notes the use.
	TokenByHash(ctx context.Context, hash string) (Token, error)
	// OperatorTokens lists the tokens that operators were given ("pwk", "pop"),
	// newest first, those that are over included. An empty workspace is all.
	OperatorTokens(ctx context.Context, workspace WorkspaceID) ([]Token, error)
	// RevokeToken ends one of those, by the ID of it, in a workspace or, if that
	// is empty, in any. It may be called again; ErrNotFound when there is none.
	RevokeToken(ctx context.Context, workspace WorkspaceID, id string) (Token, error)
	// ValidTokens tells which of the tokens with these hashes are valid now. It
	// notes no use.
	ValidTokens(ctx context.Context, hashes []string) ([]string, error)
	// TokenRevoked reports whether a hash is that of a token that was revoked.
	TokenRevoked(ctx context.Context, hash string) (bool, error)
	// TokensInUse reports whether an operator has a valid token besides the one
	// named BootstrapToken.
	TokensInUse(ctx context.Context) (bool, error)
}

// tokenIDDigits is how much of the hash names a token: enough to be unique,
// useless to anybody who wants to guess the rest.
const tokenIDDigits = 16

// ID names the token where people see it. It is derived from the hash.
func (t Token) ID() string { return "tok_" + t.Hash[:min(len(t.Hash), tokenIDDigits)] }
