package api

// TempUpload is one member of Dispatch.TempUploads: a file that the input names.
type TempUpload struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	MimeType string `json:"mimeType"`
	Filename string `json:"filename"`
}

// Uploaded answers POST /api/upload/temp.
type Uploaded struct {
	UploadID    string `json:"uploadId"`
	StoragePath string `json:"storagePath"`
	Filename    string `json:"filename"`
	Size        int64  `json:"size"`
	MimeType    string `json:"mimeType"`
	ExpiresAt   Time   `json:"expiresAt"`
}

// UploadInfo answers GET /api/upload/temp/{id}.
type UploadInfo struct {
	UploadID         string  `json:"uploadId"`
	StoragePath      string  `json:"storagePath"`
	StorageBackendID string  `json:"storageBackendId"`
	UploadedAt       Time    `json:"uploadedAt"`
	ExpiresAt        Time    `json:"expiresAt"`
	ClaimedByRunID   *string `json:"claimedByRunId"`
	DeletedAt        Time    `json:"deletedAt"`
	Filename         string  `json:"filename"`
	MimeType         string  `json:"mimeType"`
	Size             int64   `json:"size"`
	Expired          bool    `json:"expired"`
	Claimed          bool    `json:"claimed"`
	Deleted          bool    `json:"deleted"`
}

// UploadDeleted answers DELETE /api/upload/temp/{id}.
type UploadDeleted struct {
	Success  bool   `json:"success"`
	UploadID string `json:"uploadId"`
}

// UploadStats answers GET /api/upload/stats. Expired are past their time and
// not deleted.
type UploadStats struct {
	Total   int `json:"total"`
	Expired int `json:"expired"`
	Claimed int `json:"claimed"`
	Deleted int `json:"deleted"`
}
