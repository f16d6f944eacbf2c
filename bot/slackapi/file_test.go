package slackapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// A file that stands in its thread is found there though files.info does not say where it is shared.
func TestAFileIsFoundWhereItStands(t *testing.T) {
	t.Parallel()
	const message = `{"ok":true,"messages":[{"ts":"1.0","text":"card"},{"ts":"2.0","files":[{"id":"F1"}]}]}`
	for _, test := range []struct {
		name, info, thread string
		look               bool
		want               string
	}{
		{"shares", `{"id":"F1","shares":{"public":{"C1":[{"ts":"3.0","thread_ts":"1.0"}]}}}`, "1.0", false, "3.0"},
		{"channels alone", `{"id":"F1","channels":["C1"]}`, "1.0", false, "2.0"},
		{"nothing, at first", `{"id":"F1"}`, "1.0", false, ""},
		{"nothing, after some time", `{"id":"F1"}`, "1.0", true, "2.0"},
		{"no thread", `{"id":"F1"}`, "", true, "2.0"},
		{"another file", `{"id":"F2"}`, "1.0", true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				body := message
				if strings.HasSuffix(r.URL.Path, "files.info") {
					body = `{"ok":true,"file":` + test.info + `}`
				}
				_, _ = io.WriteString(w, body)
			}))
			defer server.Close()
			api := New(Config{Token: "xoxb-1", URL: server.URL, Log: zerolog.Nop()})
			id := "F1"
			if strings.Contains(test.info, "F2") {
				id = "F2"
			}
			if got, err := api.SharedAs(t.Context(), id, "C1", test.thread, test.look); err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}
