package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox"
)

const longestWait = 20 * time.Second

func start(t *testing.T, config sandbox.Config) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), longestWait)
		defer cancel()
		if err := box.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return box
}

// ask sends what the page's script would and decodes the answer into into.
func ask(t *testing.T, box *sandbox.Sandbox, method, path string, body, into any) int {
	t.Helper()
	var sent io.Reader
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case []byte:
		sent, kind = bytes.NewReader(body), "application/octet-stream"
	default:
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, box.URL+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil && response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return response.StatusCode
}

type state struct {
	Person   string
	Channel  string
	People   []struct{ ID, Name, Badge string }
	Channels []struct {
		ID, Name string
		IM       bool
	}
	Messages []message
	Thread   []message
}

type message struct {
	TS, User, Text string
	Edited         bool
	Ephemeral      bool
	ReplyCount     int `json:"reply_count"`
	Blocks         []struct {
		Type     string
		BlockID  string `json:"block_id"`
		Elements json.RawMessage
	}
	Files []struct {
		Name, URL string
		Size      int
	}
}

type outcome struct {
	Error string
}

func look(t *testing.T, box *sandbox.Sandbox, person, channel, thread string) state {
	t.Helper()
	var seen state
	query := url.Values{"person": {person}, "channel": {channel}, "thread": {thread}}
	if status := ask(t, box, http.MethodGet, "/page/state?"+query.Encode(), nil, &seen); status != http.StatusOK {
		t.Fatalf("read state: status %d", status)
	}
	return seen
}

// until waits for a change of the workspace that makes holds true.
func until(t *testing.T, box *sandbox.Sandbox, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	if err := box.Workspace.WaitFor(ctx, holds); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}
