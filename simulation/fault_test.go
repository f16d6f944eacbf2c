package simulation

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
)

// What is late is so by less than a lost call is waited for (20 s), what a read shows of the past included.
const (
	simLate = 8 * time.Second
	simLag  = 6 * time.Second
)

// goesWrong rolls whether a call does, at odds of one in so many where scenarios are as rough as can be.
func (s *scenario) goesWrong() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rough == 0 || s.faults.IntN(100) >= s.rough {
		return false
	}
	s.stats.Faults++
	return true
}

func (s *scenario) upTo(d time.Duration) time.Duration {
	return time.Duration(s.chance(int(d/time.Millisecond))) * time.Millisecond
}

// atlassianFaults are what goes wrong on the way to the organisation and back. Every call that changes something is
// looked at when it arrives.
func (s *scenario) atlassianFaults() organisation.Faults {
	return organisation.Faults{
		Latency: func(*http.Request) time.Duration {
			if s.goesWrong() {
				return s.upTo(5 * time.Second)
			}
			return s.upTo(400 * time.Millisecond)
		},
		Before: func(r *http.Request) *organisation.Fault {
			write := s.arrived(r)
			if !s.goesWrong() {
				return nil
			}
			return s.beforeEffect(r, write)
		},
		After: func(r *http.Request) *organisation.Fault {
			if !s.goesWrong() {
				return nil
			}
			late := organisation.Fault{Delay: s.upTo(5 * time.Second)}
			switch s.chance(4) {
			case 0:
				late.Drop = true
			case 1:
				late.Half = true
			case 2:
				late.Status = []int{500, 502, 503, 504}[s.chance(4)]
				if r.Method != http.MethodGet && late.Status == http.StatusInternalServerError {
					late.Status = http.StatusBadGateway // no gateway answers 500 for what was done
				}
			}
			return &late
		},
		ReadLag: func(string) time.Duration {
			if s.goesWrong() {
				return s.upTo(simLag)
			}
			return 0
		},
		Missing: func(string) time.Duration {
			if s.goesWrong() {
				return s.upTo(simLag)
			}
			return 0
		},
		SearchLag: func(string) time.Duration {
			if s.goesWrong() {
				return s.upTo(simLag)
			}
			return 0
		},
		Omit: func(string) bool { return s.goesWrong() && s.chance(4) == 0 },
		PageShift: func(*http.Request) int {
			if s.goesWrong() {
				return 1 - 2*s.chance(2)
			}
			return 0
		},
		Total: func(length int) int {
			if s.goesWrong() {
				return length + 1
			}
			return length
		},
		Endless: func(*http.Request) bool { return s.endless.Load() },
	}
}

func (s *scenario) beforeEffect(r *http.Request, write bool) *organisation.Fault {
	kinds := 9
	if write {
		kinds = 10
	}
	var f organisation.Fault
	if all := organisation.WithoutList(); !write && s.chance(3) == 0 {
		if without := organisation.OnLists(0, all[s.chance(len(all))])(r); without != nil {
			return without
		}
	}
	switch s.chance(kinds) {
	case 0:
		f = organisation.Throttled(time.Duration(1+s.chance(15)) * time.Second)
	case 1:
		f = organisation.ThrottledBare()
	case 2, 3:
		f = organisation.Broken([]int{502, 503, 504}[s.chance(3)])
	case 4, 5:
		f = organisation.Drop()
	case 6:
		f = organisation.Hang(40 * time.Second)
	case 7:
		f = organisation.Fault{Delay: s.upTo(3 * time.Second)}
	case 8:
		if s.chance(6) == 0 {
			f = organisation.Unauthorized()
		}
	default:
		f = organisation.Late(s.upTo(simLate))
	}
	if f.Status == http.StatusTooManyRequests {
		s.mu.Lock()
		s.throttle[r.Method+" "+r.URL.EscapedPath()]++
		s.mu.Unlock()
	}
	return &f
}

// slackFaults are what goes wrong between the service and the workspace.
func (s *scenario) slackFaults() workspace.Faults {
	s.mu.Lock()
	share, trouble, hellos := s.share, s.trouble, s.cutHellos
	s.mu.Unlock()
	return workspace.Faults{
		LostShare:     share,
		RefusedBlocks: s.refusedBlocks,
		CutHellos:     hellos,
		CutHelloAfter: 500 * time.Millisecond,
		DeletePosted: func(channel, ts string) bool {
			if channel != simRequests || !s.isCard(ts) || !s.goesWrong() || s.chance(2) == 0 {
				return false
			}
			s.tell("the card at %s is deleted in the moment it is posted", ts)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.deleted[ts] = true
			return true
		},
		BeforeCall: func(method string, args url.Values) *workspace.Reply {
			// An answer that one person alone sees is nothing that stays below a card: the card of a batch that has ended and
			// is wholly shown comes back for nobody.
			if thread := args.Get("thread_ts"); method != "chat.postEphemeral" && s.isCard(thread) && s.goesWrong() && s.chance(2) == 0 {
				s.deleteCard(thread)
			}
			if trouble != nil {
				if reply := trouble(method, args); reply != nil {
					return reply
				}
			}
			if !s.goesWrong() {
				return nil
			}
			switch s.chance(5) {
			case 0:
				return &workspace.Reply{Error: "ratelimited", RetryAfter: time.Duration(1+s.chance(10)) * time.Second}
			case 1:
				return &workspace.Reply{Status: []int{500, 502, 503}[s.chance(3)]}
			case 2:
				return &workspace.Reply{Drop: true}
			default:
				return &workspace.Reply{Delay: s.upTo(4 * time.Second)}
			}
		},
		AfterEffect: func(string) bool { return s.goesWrong() && s.chance(2) == 0 },
	}
}

// deleteCard deletes a card in the moment something is posted below it.
func (s *scenario) deleteCard(ts string) {
	if s.slack.Delete(workspace.BotUserID, simRequests, ts) != nil {
		return
	}
	s.tell("the card at %s is deleted in the moment something is posted below it", ts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted[ts] = true
}

// outage is Slack being away for a while.
func (s *scenario) outage(d time.Duration) {
	s.tell("Slack is away for %s", d)
	s.slack.Outage(http.StatusServiceUnavailable)
	s.pass(d)
	s.slack.SetFaults(s.slackFaults())
}

// written reads which change a request is to make; ok false for one that changes nothing. to is empty where the simulator
// does not know the call.
func written(r *http.Request) (account, kind, to string, ok bool) {
	path := r.URL.Path
	if r.Method == http.MethodGet || strings.HasSuffix(path, "/search") || strings.HasSuffix(path, "/workspaces") {
		return "", "", "", false
	}
	var raw []byte
	if r.Body != nil {
		raw, _ = io.ReadAll(r.Body)
	}
	if strings.HasPrefix(path, scimPath) {
		return scimWritten(r.Method, path, raw)
	}
	for _, w := range simWrites {
		if r.Method != w.method {
			continue
		}
		if found := w.path.FindStringSubmatch(path); found != nil {
			account = simulatedID.FindString(path)
			for _, from := range []string{string(raw), r.URL.Query().Get("accountId")} {
				if account == "" {
					account = simulatedID.FindString(from)
				}
			}
			return account, w.kind, w.becomes(found, raw), true
		}
	}
	return simulatedID.FindString(path + string(raw)), path, "", true
}

// simWrite is a call that changes something, as the simulator knows it: the kind of effect that it has, and what that makes of
// the account.
type simWrite struct {
	method  string
	path    *regexp.Regexp
	kind    string
	becomes func(path []string, body []byte) string
}

// simWrites are the calls whose effects can be held against what was asked for.
var simWrites = []simWrite{
	{http.MethodPut, regexp.MustCompile(`^/users/[^/]+/manage/email$`), "email", inBody("email")},
	{http.MethodPatch, regexp.MustCompile(`^/users/[^/]+/manage/profile$`), "name", inBody("name")},
	{http.MethodPost, regexp.MustCompile(`^/users/[^/]+/manage/lifecycle/disable$`), "disable", always("inactive")},
	{http.MethodPost, regexp.MustCompile(`^/users/[^/]+/manage/lifecycle/enable$`), "enable", always("active")},
	{http.MethodPost, regexp.MustCompile(`^/users/[^/]+/manage/lifecycle/delete$`), "delete", always("for_deletion")},
	{http.MethodPost, regexp.MustCompile(`^/users/[^/]+/manage/lifecycle/cancel-delete$`), "cancel-delete", always("active")},
	{http.MethodDelete, regexp.MustCompile(`^/users/[^/]+/manage/api-tokens/[^/]+$`), "token", always("")},
	{http.MethodPost, regexp.MustCompile(`/directories/[^/]+/users/[^/]+/suspend$`), "suspend", always("suspended")},
	{http.MethodPost, regexp.MustCompile(`/directories/[^/]+/users/[^/]+/restore$`), "restore", always("active")},
	{http.MethodDelete, regexp.MustCompile(`/directories/[^/]+/users/[^/]+$`), "remove", always("no_membership")},
	{http.MethodPost, regexp.MustCompile(`/groups/([^/]+)/memberships$`), "group-add", inPath},
	{http.MethodPost, regexp.MustCompile(`/users/invite$`), "invite", addresses},
	{http.MethodPost, regexp.MustCompile(`/api/3/group/user$`), "site-group-add", always("")},
	{http.MethodDelete, regexp.MustCompile(`/api/3/group/user$`), "site-group-remove", always("")},
	{http.MethodPost, regexp.MustCompile(`/api/3/user$`), "site-create", inBodyOf("emailAddress")},
	{http.MethodDelete, regexp.MustCompile(`/api/3/user$`), "site-delete", always("")},
	{http.MethodDelete, regexp.MustCompile(`/api/3/user/columns$`), "site-columns-reset", always("")},
	{http.MethodDelete, regexp.MustCompile(`/groups/[^/]+/memberships/[^/]+$`), "group-remove", always("")},
}

// inBodyOf is inBody for bodies that hold other things than texts, too.
func inBodyOf(field string) func([]string, []byte) string {
	return func(_ []string, raw []byte) string {
		var body map[string]any
		if json.Unmarshal(raw, &body) != nil {
			return "?"
		}
		text, _ := body[field].(string)
		return text
	}
}

// addresses are those of an invitation.
func addresses(_ []string, raw []byte) string {
	var body struct {
		Emails []string `json:"emails"`
	}
	if json.Unmarshal(raw, &body) != nil {
		return "?"
	}
	return strings.Join(body.Emails, ";")
}

func inPath(path []string, _ []byte) string { return path[1] }

func always(value string) func([]string, []byte) string {
	return func([]string, []byte) string { return value }
}

func inBody(field string) func([]string, []byte) string {
	return func(_ []string, raw []byte) string {
		var body map[string]string
		if json.Unmarshal(raw, &body) != nil {
			return "?"
		}
		return body[field]
	}
}

// simulatedID finds the account that a call is about.
var simulatedID = regexp.MustCompile(`712020:([a-z]+-[0-9]+|[0-9a-f]{8}-[0-9a-f-]{27})`)
