package slackapi

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/slack-go/slack"
)

// mostRedirects is how many redirects are followed, as net/http does by itself.
const mostRedirects = 10

// errLeads is a redirect that is not followed, because what it would take along is a secret.
var errLeads = errors.New("a redirect leads where our token may not go")

// staying is the client with redirects that take no token along: net/http keeps the header with the
// token within a host, also from https to http, and sends the body, in which slack-go puts the
// token, wherever a 307 or 308 leads.
func staying(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		first, last := via[0], via[len(via)-1]
		switch {
		case last.URL.Scheme == "https" && req.URL.Scheme != "https":
			return errLeads
		case req.URL.Host != first.URL.Host && req.Method != http.MethodGet && req.Method != http.MethodHead:
			return errLeads
		case len(via) >= mostRedirects:
			return errors.New("too many redirects")
		case client.CheckRedirect != nil:
			return client.CheckRedirect(req, via)
		}
		return nil
	}
	return &c
}

// codeForm is the form of Slack's error codes. Tokens have hyphens.
var codeForm = regexp.MustCompile(`^[a-z0-9_]{1,80}$`)

// errOddAnswer stands for an error that Slack, or something in front of it, names in no form of
// Slack's: it may quote what it was sent.
var errOddAnswer = errors.New("the answer names an error that is none of Slack's")

// scrub makes an error of a call fit for logs and for people: without the address, which may be a
// secret by itself, and without what no Slack would say. What can be told apart by it stays.
func scrub(err error) error {
	if _, done := errors.AsType[*postError](err); done {
		return err
	}
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok && !codeForm.MatchString(answer.Err) {
		return errOddAnswer
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok { // its text is of whoever answered
		status.Status = fmt.Sprintf("%d %s", status.Code, http.StatusText(status.Code))
		return status
	}
	if err != nil && secretAddress.MatchString(err.Error()) {
		return &addressless{err}
	}
	return err
}

// addressless is an error that names of addresses the host alone.
type addressless struct{ err error }

func (e *addressless) Error() string {
	return secretAddress.ReplaceAllStringFunc(e.err.Error(), func(found string) string {
		_, rest, ok := strings.Cut(strings.ReplaceAll(found, `\/`, "/"), "://")
		host := hostForm.FindString(rest)
		if ok && host != "" && !strings.Contains(rest, "@") { // else a password may stand before the host
			return "(address at " + host + ")"
		}
		return "(address)"
	})
}

func (e *addressless) Unwrap() error { return e.err }

// secretAddress is an address with whatever it carries: that of a socket has a ticket in it.
// hostForm is the host that one begins with, with its port.
var (
	secretAddress = regexp.MustCompile(`(?i)(wss?|https?):(//|\\/\\/)[^\s"]*|ticket=[^\s"&]*`)
	hostForm      = regexp.MustCompile(`^[A-Za-z0-9.\-]+(:[0-9]+)?`)
)

// PlainError is what went wrong, without the address of a socket: its ticket is a secret.
func PlainError(err error) string {
	if err == nil {
		return "no reason is known"
	}
	return scrub(err).Error()
}
