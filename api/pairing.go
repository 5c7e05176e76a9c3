package api

// HostPairing is a pairing of a host that waits for somebody's approval. The code
// is no secret: it stands on a screen, and approving it takes an operator.
type HostPairing struct {
	APIURL          string `json:"apiUrl"`
	UserCode        string `json:"userCode"`
	VerificationURI string `json:"verificationUri"`
	ExpiresAt       Time   `json:"expiresAt"`
	// QR is the plain address as a QR code, row by row: "#" is dark. It does not
	// hold the code, which is for a person to compare.
	QR []string `json:"qr,omitempty"`
}
