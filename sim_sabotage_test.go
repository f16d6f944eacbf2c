package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/workflow"
)

// transport is a RoundTripper made of a function.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// taken reads a request's body and puts it back.
func taken(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	given(r, raw)
	return raw
}

func given(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
}

func answered(body string) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// repeats sends every change twice.
func repeats(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		body := taken(r)
		answer, err := next.RoundTrip(r)
		if r.Method != http.MethodPut || err != nil {
			return answer, err
		}
		_ = answer.Body.Close()
		again := r.Clone(r.Context())
		given(again, body)
		return next.RoundTrip(again)
	})
}

// believes takes it that a change which was sent has been made, and reads nothing back. Every third one gets lost.
func believes(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	sent, writes := map[string]string{}, 0
	return transport(func(r *http.Request) (*http.Response, error) {
		body := taken(r)
		copied := r.Clone(r.Context())
		given(copied, body)
		account, kind, to, write := written(copied)
		if write && kind == "email" {
			mu.Lock()
			sent[account] = to
			writes++
			lose := writes%3 == 0
			mu.Unlock()
			if lose {
				return nil, io.ErrUnexpectedEOF
			}
		}
		answer, err := next.RoundTrip(r)
		account, reads := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/users/"), "/manage/profile")
		mu.Lock()
		to = sent[account]
		mu.Unlock()
		if err != nil || !reads || to == "" || answer.StatusCode != http.StatusOK {
			return answer, err
		}
		raw, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}
		_ = answer.Body.Close()
		before, rest, _ := strings.Cut(string(raw), `"email":"`)
		_, after, found := strings.Cut(rest, `"`)
		if found {
			raw = []byte(before + `"email":"` + to + `"` + after)
		}
		answer.Body = io.NopCloser(bytes.NewReader(raw))
		return answer, nil
	})
}

// deafens takes away what the answers say of limits.
func deafens(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err == nil {
			for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
				answer.Header.Del(name)
			}
		}
		return answer, err
	})
}

// swallows loses the message that a run has ended, and takes it for posted.
func swallows(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		body := taken(r)
		form, err := url.ParseQuery(string(body))
		if err == nil && strings.HasSuffix(r.URL.Path, "chat.postMessage") && strings.Contains(form.Get("metadata"), "/end/") {
			return answered(`{"ok":true,"channel":"` + simRequests + `","ts":"1.000001"}`), nil
		}
		return next.RoundTrip(r)
	})
}

// whispers loses what admins are told of an emergency, and takes it for posted.
func whispers(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		form, err := url.ParseQuery(string(taken(r)))
		about := form.Get("metadata")
		if err == nil && strings.HasSuffix(r.URL.Path, "chat.postMessage") && strings.Contains(about, "/emergency/") {
			return answered(`{"ok":true,"channel":"` + form.Get("channel") + `","ts":"1.000001"}`), nil
		}
		return next.RoundTrip(r)
	})
}

// drops leaves the last row out of every file of results.
func drops(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		if body := taken(r); strings.Contains(r.URL.Path, "/files-up/") && bytes.Contains(body, []byte("attempts,finished_at")) {
			if end := bytes.LastIndex(body, []byte(",\r\n")); end > 0 {
				begin := bytes.LastIndex(body[:end], []byte("\r\n")) + 2
				for i := begin; i < end+1; i++ { // as long as it was, and a blank line to whoever reads it
					body[i] = '\n'
				}
				given(r, body)
			}
		}
		return next.RoundTrip(r)
	})
}

// remembersPeople takes what Slack first said of people and user groups for what they are for ever, so that everybody still
// has their role.
func remembersPeople() func(http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	first := map[string]string{} // over restarts, too
	return func(next http.RoundTripper) http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) {
			body := taken(r)
			form, err := url.ParseQuery(string(body))
			if err != nil || !strings.HasSuffix(r.URL.Path, "users.info") && !strings.HasSuffix(r.URL.Path, "usergroups.users.list") {
				return next.RoundTrip(r)
			}
			key := r.URL.Path + form.Get("user") + form.Get("usergroup")
			mu.Lock()
			known := first[key]
			mu.Unlock()
			if known != "" {
				return answered(known), nil
			}
			answer, err := next.RoundTrip(r)
			if err != nil || answer.StatusCode != http.StatusOK {
				return answer, err
			}
			raw, err := io.ReadAll(answer.Body)
			if err != nil {
				return nil, err
			}
			_ = answer.Body.Close()
			if bytes.Contains(raw, []byte(`"ok":true`)) {
				mu.Lock()
				first[key] = string(raw)
				mu.Unlock()
			}
			answer.Body = io.NopCloser(bytes.NewReader(raw))
			return answer, nil
		})
	}
}

// mistaken takes people who may not approve for somebody who may.
type mistaken struct{ net.Conn }

func (m mistaken) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	for _, who := range []string{simHana, simHugo, simNils} {
		copy(p[:n], bytes.ReplaceAll(p[:n], []byte(`"user":{"id":"`+who+`"`), []byte(`"user":{"id":"`+simBeth+`"`)))
	}
	return n, err
}

// A simulator that finds nothing proves nothing. Each of these services does one thing wrong, and is found out within a few
// lives.
func TestSimulationFindsWhatIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("plays some dozen lives")
	}
	const lives = 25
	for _, each := range []struct {
		name string
		bad  sabotage
		says string // what is to be found
	}{
		{"repeats a call", sabotage{atlassian: repeats}, "it was so already"},
		{"does not read back", sabotage{atlassian: believes}, "it is done, and "},
		{"does not hear of limits", sabotage{atlassian: deafens}, "over the limit"},
		{"loses the end message", sabotage{slack: swallows}, "is not there"},
		{"drops a row", sabotage{slack: drops}, "-results"},
		{
			"takes people for others",
			sabotage{socket: func(c net.Conn) net.Conn { return mistaken{c} }, approve: []string{simHana, simDean}},
			"approvals of",
		},
		{
			"takes helpdesk for admins",
			sabotage{
				settings: func(c *Config) { c.People.Admins = append(c.People.Admins, simHelpdesk) },
				approve:  []string{simHana, simHugo, simDean},
			},
			"approvals of",
		},
		{"knows people as they were", sabotage{people: remembersPeople}, "at its approval"},
		{"knows settings as they were", sabotage{keeps: true}, "at its approval"},
		{"has no rules", sabotage{settings: func(c *Config) { c.Approval.Rules = nil }}, "approvals of"},
		{"protects nothing", sabotage{settings: func(c *Config) { c.Protect = nil }}, "is protected"},
		{"has no limit of a day", sabotage{settings: func(c *Config) { c.Limits.PerDay = workflow.PerDay{} }}, "in a day"},
		{
			"lets organisation admins be changed",
			sabotage{settings: func(c *Config) {
				c.Approval.Rules = append(c.Approval.Rules, workflow.Rule{
					When: workflow.When{OrgAdmins: true}, Allow: true, Approvals: 1,
				})
			}},
			"is an organisation admin",
		},
		{"does not know whose accounts are whose", sabotage{settings: func(c *Config) { c.People.Accounts = nil }}, "own account"},
		{"tells nobody of emergencies", sabotage{slack: whispers}, "were not told"},
		{"needs one approval less", sabotage{settings: func(c *Config) { c.Approval.Approvals = 1 }}, "approvals of"},
	} {
		t.Run(each.name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= lives; seed++ {
				var l *life
				bad := each.bad
				if bad.people != nil {
					bad.slack = bad.people()
				}
				synctest.Test(t, func(t *testing.T) { l = play(t, seed, bad) })
				if strings.Contains(strings.Join(l.wrong, "\n"), each.says) && len(l.wrong) > 0 {
					t.Logf("found with seed %d: %s", seed, l.wrong[0])
					return
				}
			}
			t.Errorf("not found in %d lives", lives)
		})
	}
}
