package simulation

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow/policy"
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

// empties takes every list of accounts for an empty one.
func empties(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/users") {
			return answered(`{"data":[]}`), nil
		}
		return next.RoundTrip(r)
	})
}

// overlooks shows nothing that was posted in the requests channel to whoever looks there.
func overlooks(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		asked := string(taken(r)) + r.URL.RawQuery
		if strings.HasSuffix(r.URL.Path, "conversations.history") && strings.Contains(asked, simRequests) {
			return answered(`{"ok":true,"messages":[],"has_more":false}`), nil
		}
		return next.RoundTrip(r)
	})
}

// late hears of clicks on Approve when half a minute of fake time has passed.
type late struct {
	net.Conn
	closed context.Context
	close  context.CancelFunc
}

func lateConn(c net.Conn) net.Conn {
	closed, end := context.WithCancel(context.Background())
	return &late{c, closed, end}
}

func (s *late) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if bytes.Contains(p[:n], []byte(`"action_id":"approve"`)) {
		select {
		case <-time.After(30 * time.Second):
		case <-s.closed.Done():
		}
	}
	return n, err
}

func (s *late) Close() error {
	s.close()
	return s.Conn.Close()
}

// A simulator that finds nothing proves nothing. Each of these services does one thing wrong, and is found out within a few
// scenarios.
func TestSimulationFindsWhatIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("plays some dozen scenarios")
	}
	const scenarios = uint64(25)
	for _, each := range []struct {
		name string
		bad  sabotage
		says string // what is to be found

		after uint64 // the seed behind which to begin: close to one that finds it
	}{
		{"repeats a call", sabotage{atlassian: repeats}, "it was so already", 2},
		{"does not read back", sabotage{atlassian: believes}, "it is done, and ", 3},
		{"does not hear of limits", sabotage{atlassian: deafens}, "over the limit", 9},
		{"loses the end message", sabotage{slack: swallows}, "is not there", 0},
		{"drops a row", sabotage{slack: drops}, "-results", 10},
		{
			"takes people for others",
			sabotage{socket: func(c net.Conn) net.Conn { return mistaken{c} }, approve: []string{simHana, simDean}},
			"approvals of", 2,
		},
		{
			"takes helpdesk for admins",
			sabotage{
				settings: func(c *settings.Config) { c.People.Admins = append(c.People.Admins, simHelpdesk) },
				approve:  []string{simHana, simHugo, simDean},
			},
			"approvals of", 2,
		},
		{"knows people as they were", sabotage{people: remembersPeople}, "at its approval", 13},
		{"knows settings as they were", sabotage{keeps: true}, "at its approval", 28},
		{"has no rules", sabotage{settings: func(c *settings.Config) { c.Approval.Rules = nil }}, "approvals of", 29},
		{"protects nothing", sabotage{settings: func(c *settings.Config) { c.Protect = nil }}, "is protected", 1},
		{"has no limit of a day", sabotage{settings: func(c *settings.Config) { c.Limits.PerDay = settings.PerDay{} }}, "in a day", 10},
		{
			"lets organisation admins be changed",
			sabotage{settings: func(c *settings.Config) {
				c.Approval.Rules = append(c.Approval.Rules, policy.Rule{
					When: policy.When{OrgAdmins: true}, Allow: true, Approvals: 1,
				})
			}},
			"is an organisation admin", 6,
		},
		{"does not know whose accounts are whose", sabotage{settings: func(c *settings.Config) { c.People.Accounts = nil }}, "own account", 24},
		{"tells nobody of emergencies", sabotage{slack: whispers}, "were not told", 35},
		{"takes what is no list for an empty one", sabotage{atlassian: empties}, "and says nothing of it", 33},
		{"does not look into the channel", sabotage{slack: overlooks}, "has forgotten and the channel shows", 24},
		{"lets decisions wait", sabotage{socket: lateConn}, "in a flood", 5},
		{"needs one approval less", sabotage{settings: func(c *settings.Config) { c.Approval.Approvals = 1 }}, "approvals of", 2},
	} {
		t.Run(each.name, func(t *testing.T) {
			t.Parallel()
			for i := range scenarios {
				seed := 1 + (each.after+i)%70
				var s *scenario
				bad := each.bad
				if bad.people != nil {
					bad.slack = bad.people()
				}
				synctest.Test(t, func(t *testing.T) { s = play(t, seed, bad, "") })
				if strings.Contains(strings.Join(s.wrong, "\n"), each.says) && len(s.wrong) > 0 {
					t.Logf("found with seed %d: %s", seed, s.wrong[0])
					return
				}
			}
			t.Errorf("not found in %d scenarios", scenarios)
		})
	}
}
