package api

// HostPairing is a pairing of a host that waits for somebody's approval. The code
// is no secret: it stands on a screen, and approving it takes an operator.
type HostPairing struct {
	APIURL          string `json:"apiUrl"`
	UserCode        string `json:"userCode"`
	VerificationURI string `json:"verificationUri"`
	ExpiresAt       Time   `json:"expiresAt"`
}
