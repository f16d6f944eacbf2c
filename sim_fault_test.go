package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
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

// goesWrong rolls whether a call does, at odds of one in so many where lives are as rough as can be.
func (l *life) goesWrong() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rough == 0 || l.faults.IntN(100) >= l.rough {
		return false
	}
	l.tale.Faults++
	return true
}

func (l *life) upTo(d time.Duration) time.Duration {
	return time.Duration(l.chance(int(d/time.Millisecond))) * time.Millisecond
}

// atlassianFaults are what goes wrong on the way to the organisation and back. Every call that changes something is
// looked at when it arrives.
func (l *life) atlassianFaults() organisation.Faults {
	return organisation.Faults{
		Latency: func(*http.Request) time.Duration {
			if l.goesWrong() {
				return l.upTo(5 * time.Second)
			}
			return l.upTo(400 * time.Millisecond)
		},
		Before: func(r *http.Request) *organisation.Fault {
			write := l.arrived(r)
			if !l.goesWrong() {
				return nil
			}
			return l.beforeEffect(r, write)
		},
		After: func(r *http.Request) *organisation.Fault {
			if !l.goesWrong() {
				return nil
			}
			late := organisation.Fault{Delay: l.upTo(5 * time.Second)}
			switch l.chance(4) {
			case 0:
				late.Drop = true
			case 1:
				late.Half = true
			case 2:
				late.Status = []int{500, 502, 503, 504}[l.chance(4)]
				if r.Method != http.MethodGet && late.Status == http.StatusInternalServerError {
					late.Status = http.StatusBadGateway // no gateway answers 500 for what was done
				}
			}
			return &late
		},
		ReadLag: func(string) time.Duration {
			if l.goesWrong() {
				return l.upTo(simLag)
			}
			return 0
		},
	}
}

func (l *life) beforeEffect(r *http.Request, write bool) *organisation.Fault {
	kinds := 9
	if write {
		kinds = 10
	}
	var f organisation.Fault
	switch l.chance(kinds) {
	case 0:
		f = organisation.Throttled(time.Duration(1+l.chance(15)) * time.Second)
	case 1:
		f = organisation.ThrottledBare()
	case 2, 3:
		f = organisation.Broken([]int{502, 503, 504}[l.chance(3)])
	case 4, 5:
		f = organisation.Drop()
	case 6:
		f = organisation.Hang(40 * time.Second)
	case 7:
		f = organisation.Fault{Delay: l.upTo(3 * time.Second)}
	case 8:
		if l.chance(6) == 0 {
			f = organisation.Unauthorized()
		}
	default:
		f = organisation.Late(l.upTo(simLate))
	}
	if f.Status == http.StatusTooManyRequests {
		l.mu.Lock()
		l.throttle[r.Method+" "+r.URL.EscapedPath()]++
		l.mu.Unlock()
	}
	return &f
}

// slackFaults are what goes wrong between the service and the workspace.
func (l *life) slackFaults() workspace.Faults {
	l.mu.Lock()
	share := l.share
	l.mu.Unlock()
	return workspace.Faults{
		LostShare: share,
		BeforeCall: func(string, url.Values) *workspace.Reply {
			if !l.goesWrong() {
				return nil
			}
			switch l.chance(5) {
			case 0:
				return &workspace.Reply{Error: "ratelimited", RetryAfter: time.Duration(1+l.chance(10)) * time.Second}
			case 1:
				return &workspace.Reply{Status: []int{500, 502, 503}[l.chance(3)]}
			case 2:
				return &workspace.Reply{Drop: true}
			default:
				return &workspace.Reply{Delay: l.upTo(4 * time.Second)}
			}
		},
		AfterEffect: func(string) bool { return l.goesWrong() && l.chance(2) == 0 },
	}
}

// outage is Slack being away for a while.
func (l *life) outage(d time.Duration) {
	l.tell("Slack is away for %s", d)
	l.slack.Outage(http.StatusServiceUnavailable)
	l.pass(d)
	l.slack.SetFaults(l.slackFaults())
}

// written reads which change a request is to make; ok false for one that changes nothing.
func written(r *http.Request) (account, kind, to string, ok bool) {
	rest, found := strings.CutPrefix(r.URL.Path, "/users/")
	account, call, cut := strings.Cut(rest, "/manage/")
	if !found || !cut || r.Method == http.MethodGet {
		return "", "", "", false
	}
	switch call {
	case "email":
		var body struct {
			Email string `json:"email"`
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(raw, &body) != nil {
			return account, "email", "?", true
		}
		return account, "email", body.Email, true
	case "lifecycle/disable":
		return account, "disable", "inactive", true
	case "lifecycle/enable":
		return account, "enable", "active", true
	}
	return account, call, "", true
}
