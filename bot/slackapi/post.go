package slackapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

// What is posted to addresses that Slack gives out, which are no methods of the Web API: each is a
// credential by itself, so that no token goes along.

const (
	responseMethod = "response_url"
	// drained is how much of an answer is read so that its connection can be used again.
	drained = 64 << 10
)

// postError is a post to such an address that failed, without the address.
type postError struct {
	host string
	err  error
}

func (e *postError) Error() string { return "at " + e.host + ": " + e.err.Error() }

func (e *postError) Unwrap() error { return e.err }

// sendBytes sends the content of a file to its upload_url as a form with one file
// (files.getUploadURLExternal), as it is written. The form has a length, and ends at its one final
// boundary. slack-go's ends twice.
func (c *Client) sendBytes(ctx context.Context, address, name string, content Content) error {
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	_, err := form.CreateFormFile("file", name)
	head := frame.Len()
	if err = errors.Join(err, form.Close()); err != nil {
		return fmt.Errorf("write the form: %w", err)
	}
	before, after := frame.Bytes()[:head], frame.Bytes()[head:]
	body, into := io.Pipe()
	var failed error
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, err := into.Write(before)
		if err == nil {
			failed = content.Write(ctx, into)
			err = failed
		}
		if err == nil {
			_, err = into.Write(after)
		}
		_ = into.CloseWithError(err) // never fails
	}()
	err = c.post(ctx, address, form.FormDataContentType(), body, int64(frame.Len()+content.Size))
	_ = body.Close() // whoever still writes stops
	<-written
	if failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		return fmt.Errorf("write the file: %w", failed)
	}
	return err
}

// respond answers by a response_url, for the person alone. A 2xx is taken for success whatever its
// body says: nothing tells what Slack writes there, and an answer that came must not come twice.
func (c *Client) respond(ctx context.Context, address string, m Message) error {
	answer := struct {
		Text    string        `json:"text"`
		Blocks  []slack.Block `json:"blocks,omitempty"`
		Type    string        `json:"response_type"`
		Replace bool          `json:"replace_original"`
		Delete  bool          `json:"delete_original"`
	}{Text: m.Fallback(), Blocks: m.Blocks, Type: slack.ResponseTypeEphemeral}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return c.post(ctx, address, "application/json", bytes.NewReader(body), int64(len(body)))
}

// post posts a body of so many bytes, and returns a *postError unless the answer is a 2xx.
func (c *Client) post(ctx context.Context, address, kind string, body io.Reader, size int64) error {
	failed := func(err error) error { return &postError{hostOf(address), scrub(err)} }
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return failed(err)
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", kind)
	answer, err := c.http.Do(req)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, drained)) // the status has said all
	switch {
	case answer.StatusCode/100 == 2:
		return nil
	case answer.StatusCode == http.StatusTooManyRequests:
		if seconds, err := strconv.ParseInt(answer.Header.Get("Retry-After"), 10, 32); err == nil {
			return failed(&slack.RateLimitedError{RetryAfter: time.Duration(seconds) * time.Second})
		}
	}
	return failed(slack.StatusCodeError{Code: answer.StatusCode, Status: answer.Status})
}

// hostOf is the machine that an address names.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "an address without a host"
	}
	return u.Host
}
