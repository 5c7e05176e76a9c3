package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"pipedai/api"
)

// LatestReleases tells the newest versions on a channel; empty is the default
// one.
func (c *Client) LatestReleases(ctx context.Context, channel string) (out api.Releases, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/releases/latest?channel="+url.QueryEscape(cmp.Or(channel, api.DefaultChannel)), nil, &out)
}

// PublishedReleases lists releases; empty program and channel mean all.
func (c *Client) PublishedReleases(ctx context.Context, program, channel string) (out api.PublishedReleases, err error) {
	query := url.Values{}
	if program != "" {
		query.Set("program", program)
	}
	if channel != "" {
		query.Set("channel", channel)
	}
	return out, c.call(ctx, http.MethodGet, "/api/v1/releases?"+query.Encode(), nil, &out)
}

// PublishedRelease gets a release with its envelope. The version
// api.LatestVersion is the newest of the channel. An empty channel is the
// default one, or any that has the version.
func (c *Client) PublishedRelease(ctx context.Context, program, version, channel string) (out api.PublishedRelease, err error) {
	path := releasePath(program, version)
	if channel != "" {
		path += "?channel=" + url.QueryEscape(channel)
	}
	return out, c.call(ctx, http.MethodGet, path, nil, &out)
}

// PublishRelease hands in a signed release. What its artifacts lack says the
// answer.
func (c *Client) PublishRelease(ctx context.Context, program, version string, envelope api.Envelope) (out api.PublishedRelease, err error) {
	return out, c.call(ctx, http.MethodPost, releasePath(program, version), envelope, &out)
}

// YankRelease takes a version back.
func (c *Client) YankRelease(ctx context.Context, program, version string, req api.YankRequest) (out api.PublishedReleases, err error) {
	return out, c.call(ctx, http.MethodPost, releasePath(program, version)+"/yank", req, &out)
}

// ReleaseKeys is the history of the key that signs releases. A server that
// knows no releases answers with status 404.
func (c *Client) ReleaseKeys(ctx context.Context) (out api.ReleaseKeys, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/release-keys", nil, &out)
}

// SetReleaseKey sets the first key, or hands in a rotation.
func (c *Client) SetReleaseKey(ctx context.Context, req api.SetReleaseKeyRequest) (out api.ReleaseKeys, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/release-keys", req, &out)
}

func releasePath(program, version string) string {
	return "/api/v1/releases/" + escape(program) + "/" + escape(version)
}

func artifactPath(program, version, name string) string {
	return releasePath(program, version) + "/artifacts/" + escape(name)
}

// PutArtifact sends the bytes of an artifact. It takes as long as it takes: give
// ctx a deadline. A server that does not want them says so before they are sent.
func (c *Client) PutArtifact(ctx context.Context, program, version, name string, body io.Reader, size int64) (out api.StoredArtifact, err error) {
	path := artifactPath(program, version, name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+path, io.NopCloser(body)) // the caller closes it
	if err != nil {
		return out, fmt.Errorf("PUT %s: %w", path, err)
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Expect", "100-continue")
	resp, err := c.sendRaw(req, path)
	if err != nil {
		return out, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return out, unreached(http.MethodPut, path, err)
	case resp.StatusCode/100 != 2:
		return out, failure(resp, data)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, &api.Error{Status: http.StatusBadGateway, Code: api.CodeUpstream, Message: "PUT " + path + ": the server's answer is not the JSON expected"}
	}
	return out, nil
}

// Artifact opens a file of a release from byte offset on. A server may send the
// whole all the same: from is where body begins. Nothing is verified here. It
// takes as long as it takes: give ctx a deadline.
func (c *Client) Artifact(ctx context.Context, program, version, name string, offset int64) (body io.ReadCloser, from int64, err error) {
	path := artifactPath(program, version, name)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("GET %s: %w", path, err)
	}
	// What is signed is the file itself: no other encoding of it will do.
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := c.sendRaw(req, path)
	if err != nil {
		return nil, 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, 0, nil
	case http.StatusPartialContent:
		if from, ok := rangeStart(resp.Header.Get("Content-Range")); ok {
			return resp.Body, from, nil
		}
		_ = resp.Body.Close()
		return nil, 0, &api.Error{Status: http.StatusBadGateway, Code: api.CodeUpstream, Message: "GET " + path + ": the server does not say which part it sent"}
	}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // an error without its text is one still
	_ = resp.Body.Close()
	return nil, 0, failure(resp, data)
}

// rangeStart reads "bytes 5-9/10".
func rangeStart(header string) (int64, bool) {
	text, ok := strings.CutPrefix(header, "bytes ")
	first, _, dash := strings.Cut(text, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	return from, ok && dash && err == nil && from >= 0
}

// sendRaw sends a request whose body or answer is no JSON.
func (c *Client) sendRaw(req *http.Request, path string) (*http.Response, error) {
	req.Header.Set("User-Agent", c.options.UserAgent)
	if token := c.options.Token; !token.Empty() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	resp, err := c.options.HTTP.Do(req)
	if err != nil {
		return nil, unreached(req.Method, path, err)
	}
	return resp, nil
}
