package api

// MintRequest asks for a registration token: POST
// /api/v1/workspaces/{ws}/workers/registration-token.
type MintRequest struct {
	Label string `json:"label,omitempty" validate:"max=255"`
}

// MintedToken answers it. The token is shown this once, admits one worker, and
// lasts a quarter of an hour.
type MintedToken struct {
	ID        string `json:"id"`
	Token     string `json:"token"` // wrk_...
	LastFour  string `json:"lastFour"`
	ExpiresAt Time   `json:"expiresAt"`
}

// RegisterWorkerRequest is POST /api/v1/workers/register: a worker program
// trades a registration token for a worker and its token, once. A hostname that
// is known in the workspace is the same worker, with a new token.
type RegisterWorkerRequest struct {
	Token    string `json:"token" validate:"required,max=512"`
	Hostname string `json:"hostname" validate:"required,max=255"`
	OS       string `json:"os" validate:"required,max=64"`
	Version  string `json:"version" validate:"required,max=64"`
	Label    string `json:"label,omitempty" validate:"max=255"`
}

// RegisteredWorker answers it.
type RegisteredWorker struct {
	WorkerID    string `json:"workerId"`
	WorkerToken string `json:"workerToken"` // wkt_...
	APIURL      string `json:"apiUrl"`
	WorkspaceID string `json:"workspaceId"`
}
