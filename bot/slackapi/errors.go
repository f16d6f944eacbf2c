package slackapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// PermanentError says that Slack refuses a token for good, so that trying again is of no use. Its
// words say what to do.
type PermanentError struct {
	Token string // "app" or "bot"
	Code  string // as Slack names it
}

func (e *PermanentError) Error() string {
	setting := "slack." + e.Token + "_token"
	do := "put a valid token into " + setting
	switch e.Code {
	case "missing_scope":
		do = "give the token in " + setting + " the scope connections:write (App-Level Tokens)"
		if e.Token == "bot" {
			do = "install the app again with the scopes of countersign manifest"
		}
	case "not_allowed_token_type":
		do = fmt.Sprintf("%s holds a token of the wrong kind; app tokens begin with xapp-, bot tokens with xoxb-", setting)
	case "account_inactive", "token_revoked":
		do = "the app was taken out of the workspace or its token revoked; install it again and put the new token into " + setting
	case "token_expired":
		do = "switch token rotation off and put a token that does not expire into " + setting
	case "forbidden_team":
		do = "the token in " + setting + " belongs to another workspace; make one in the right workspace"
	}
	return fmt.Sprintf("connect to Slack: %s: %s", e.Code, do)
}

// FileRefusedError says that a workspace keeps a file out, which trying again at once does not change.
type FileRefusedError struct{ Why string }

func (e *FileRefusedError) Error() string { return "Slack does not take the file: " + e.Why }

// RetryAfter returns how long Slack asks to wait, and whether it does: by its header, without one
// by the status or the code alone. A header that no duration holds is taken for the longest one.
func RetryAfter(err error) (time.Duration, bool) {
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		if limited.RetryAfter < -time.Hour { // more seconds than a duration holds
			return math.MaxInt64, true
		}
		return max(limited.RetryAfter, 0), true
	}
	if number, ok := errors.AsType[*strconv.NumError](err); ok { // slack-go reads no other number by itself
		if errors.Is(number, strconv.ErrRange) {
			return math.MaxInt64, true
		}
		return defaultThrottled, true
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return defaultThrottled, status.Code == http.StatusTooManyRequests
	}
	code := Code(err)
	return defaultThrottled, code == "rate_limited" || code == "ratelimited"
}

// Code is the error that Slack named in a well-formed answer, "" when there was none.
func Code(err error) string {
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return e.Err
	}
	return ""
}

// HadNoEffect reports whether the call surely had no effect: Slack answered and refused. Its own
// faults are no refusal ("possible some aspect succeeded", chat.postMessage, internal_error and
// fatal_error).
func HadNoEffect(err error) bool {
	if _, ok := errors.AsType[*slack.RateLimitedError](err); ok || errors.Is(err, ErrThreadGone) {
		return true
	}
	switch Code(err) {
	case "", "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return false
	}
	return true
}

// Refused reports whether Slack said no, and will say so again.
func Refused(err error) bool {
	if errors.Is(err, ErrThreadGone) {
		return true
	}
	_, throttled := RetryAfter(err)
	return Code(err) != "" && HadNoEffect(err) && !throttled
}

// finalCodes are the answers after which no call with a token will ever be taken: those that Slack
// itself names (docs.slack.dev/reference/methods/auth.test and apps.connections.open, errors). All
// else passes: an outage, a proxy, connections that are closed at once.
var finalCodes = []struct {
	code    string
	appOnly bool // ends only what the app token opens
}{
	{code: "invalid_auth"},
	{code: "not_authed"},
	{code: "account_inactive"},
	{code: "token_revoked"},
	{code: "token_expired"},
	{code: "not_allowed_token_type"},
	{code: "missing_scope", appOnly: true}, // of a bot token one method wants it, and others do without
	{code: "forbidden_team", appOnly: true},
}

// TokenRefused reports whether the bot token is of no use any more.
func TokenRefused(code string) bool {
	for _, f := range finalCodes {
		if f.code == code {
			return !f.appOnly
		}
	}
	return false
}

// AppTokenRefused reports whether the app token will never open a connection.
func AppTokenRefused(code string) bool {
	for _, f := range finalCodes {
		if f.code == code {
			return true
		}
	}
	return false
}

// ChannelClosed reports whether the error means that we cannot write into the channel at all.
func ChannelClosed(err error) bool { return Closes(Code(err)) }

// Closes reports whether a code of Slack's means that.
func Closes(code string) bool {
	return slices.Contains([]string{
		"channel_not_found", "not_in_channel", "is_archived", "channel_is_limited_access", "is_inactive",
		"no_permission", "access_denied", "ekm_access_denied", "team_access_not_granted",
	}, code) || strings.HasPrefix(code, "restricted_action")
}
