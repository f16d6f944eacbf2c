package atlassian

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// answers is a network on which each host answers in its own way.
type answers map[string]func(r *http.Request) (status int, header http.Header, body string)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, header, body := a[r.URL.Host](r)
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// A second host has its own credential, pace, limits and kinds of errors: a 429 of one does not
// hold up the other, and no key goes to the wrong one.
func TestCallersShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		basic := base64.StdEncoding.EncodeToString([]byte("ann@example.com:site-token"))
		var asked []string
		cfg := Config{Pace: pace.Rate{Start: 1000}, HTTP: &http.Client{Transport: answers{
			"admin.test": func(r *http.Request) (int, http.Header, string) {
				asked = append(asked, r.Header.Get("Authorization"))
				return http.StatusTooManyRequests, http.Header{"Retry-After": {"600"}}, ""
			},
			"site.test": func(r *http.Request) (int, http.Header, string) {
				asked = append(asked, r.Header.Get("Authorization"))
				return http.StatusBadRequest, nil, `{"errorMessages":["already a member, site-token"]}`
			},
		}}}
		admin, err := newCaller(host{
			base: "http://admin.test", owner: "org", memoryName: "admin",
			authorize: func() credential { return bearer("org-key") }, classify: classify,
		}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.close()
		site, err := newCaller(host{
			base: "http://site.test", owner: "site", memoryName: "site",
			authorize: func() credential { return credential{header: "Basic " + basic, secret: "site-token"} },
			classify: func(call request, status int, body []byte, clean func(string) string) *Error {
				return &Error{Operation: call.operation, Status: status, Kind: KindRefused, Message: clean(string(body))}
			},
		}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer site.close()
		call := request{operation: "add member", method: http.MethodPost, path: "/x", body: struct{}{}}
		if err := admin.write(t.Context(), call); KindOf(err) != KindThrottled {
			t.Errorf("admin: %v, want throttled", err)
		}
		began := time.Now()
		err = site.write(t.Context(), call)
		if KindOf(err) != KindRefused || !strings.Contains(err.Error(), "already a member, [secret]") {
			t.Errorf("site: %v, want refused in its own words without the token", err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the call to the site waited %v for the limit of another host", waited)
		}
		if admin.gate.ShutFor(call.operation) == 0 || site.gate.ShutFor(call.operation) != 0 {
			t.Error("the two hosts share a gate")
		}
		if want := []string{"Bearer org-key", "Basic " + basic}; len(asked) != 2 || asked[0] != want[0] || asked[1] != want[1] {
			t.Errorf("keys %q, want %q", asked, want)
		}
	})
}
