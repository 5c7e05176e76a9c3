package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"pipedai/api"
)

// Upload streams a file that a task will be given. It takes as long as it
// takes: give ctx a deadline.
func (c *Client) Upload(ctx context.Context, filename, mimeType string, body io.Reader) (out api.Uploaded, err error) {
	const path = "/api/upload/temp"
	reader, writer := io.Pipe()
	defer func() { _ = reader.Close() }() // ends the writer below, whatever happened
	// The transport waits for a read that is under way, and body may have
	// nothing to give.
	defer context.AfterFunc(ctx, func() { _ = reader.CloseWithError(context.Cause(ctx)) })()
	form := multipart.NewWriter(writer)
	go func() {
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="file"; filename="%s"`,
			strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(filename)))
		header.Set("Content-Type", mimeType)
		part, err := form.CreatePart(header)
		if err == nil {
			_, err = io.Copy(part, body)
		}
		if err == nil {
			err = form.Close()
		}
		_ = writer.CloseWithError(err) // always nil
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, reader)
	if err != nil {
		return out, fmt.Errorf("POST %s: %w", path, err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("User-Agent", c.options.UserAgent)
	if token := *c.token.Load(); !token.Empty() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	resp, err := c.options.HTTP.Do(req)
	if err != nil {
		return out, unreached(http.MethodPost, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return out, unreached(http.MethodPost, path, err)
	case resp.StatusCode/100 != 2:
		return out, failure(resp, data)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, &api.Error{Status: http.StatusBadGateway, Code: api.CodeUpstream, Message: "POST " + path + ": the server's answer is not the JSON expected"}
	}
	return out, nil
}

// UploadInfo describes an uploaded file.
func (c *Client) UploadInfo(ctx context.Context, id string) (out api.UploadInfo, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/upload/temp/"+escape(id), nil, &out)
}

// DeleteUpload deletes an uploaded file that no run claimed.
func (c *Client) DeleteUpload(ctx context.Context, id string) (out api.UploadDeleted, err error) {
	return out, c.call(ctx, http.MethodDelete, "/api/upload/temp/"+escape(id), nil, &out)
}

// UploadStats counts uploaded files.
func (c *Client) UploadStats(ctx context.Context) (out api.UploadStats, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/upload/stats", nil, &out)
}
