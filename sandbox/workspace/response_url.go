package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	responseLife  = 30 * time.Minute // docs: handling user interaction, message responses
	responseCount = 5
)

// responseURL is a response_url that was given out: to answer a command, or to change the message
// that was clicked.
type responseURL struct {
	secret  string
	person  string
	channel string
	message string // the clicked message; empty for a command
	thread  string
	until   time.Time
	used    int
}

// newResponseURL keeps a new response_url. The caller holds w.mu.
func (w *Workspace) newResponseURL(r *responseURL) *responseURL {
	r.secret, r.until = w.newID("", 24), time.Now().Add(responseLife)
	w.responses[r.secret] = r
	return r
}

func (w *Workspace) addressOf(r *responseURL) string {
	return w.baseURL + "/commands/" + w.cfg.TeamID + "/" + r.secret
}

func (w *Workspace) serveResponseURL(rw http.ResponseWriter, req *http.Request) {
	if w.planned(rw, req, "response_url") {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, req.Body, maxBody))
	at := time.Now()
	w.mu.Lock()
	r := w.responses[req.PathValue("secret")]
	w.mu.Unlock()
	switch {
	case err != nil:
		err = refuse("invalid_payload")
	case r == nil:
		err = refuse("invalid_url")
	default:
		err = w.use(r, body)
	}
	c := &call{name: "response_url", args: url.Values{"payload": {string(body)}}}
	w.record(c, at, err)
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err == nil {
		_, _ = io.WriteString(rw, "ok") // nobody is left to tell
		return
	}
	// What Slack answers exactly is not documented; this status and these words were seen.
	rw.WriteHeader(http.StatusNotFound)
	code := err.Error()
	if refused, ok := errors.AsType[*refusal](err); ok {
		code = refused.code
	}
	_, _ = fmt.Fprintf(rw, `{"ok":false,"error":%q}`, code)
}

// use spends one of the five posts of a response_url.
func (w *Workspace) use(r *responseURL, body []byte) error {
	w.mu.Lock()
	var err error
	switch {
	case time.Now().After(r.until):
		err = refuse("expired_url")
	case r.used >= responseCount:
		err = refuse("used_url")
	default:
		r.used++
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return w.respond(r, body)
}

// respond does what the app sent to a response_url or acknowledged a command with.
func (w *Workspace) respond(r *responseURL, body []byte) error {
	var values map[string]json.RawMessage
	if json.Unmarshal(body, &values) != nil {
		return refuse("invalid_payload")
	}
	c := &call{name: "response_url", args: url.Values{}}
	for name, value := range values {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		if text != "null" {
			c.args.Set(name, text)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.channel(r.channel)
	if in == nil {
		return refuse("channel_not_found")
	}
	clicked := w.find(r.channel, r.message)
	if c.flag("delete_original") {
		if clicked == nil {
			return refuse("message_not_found")
		}
		w.emitDeleted(in, clicked)
		w.remove(clicked)
		return nil
	}
	got, err := w.readContent(c)
	if err != nil {
		return err
	}
	if c.flag("replace_original") && clicked != nil {
		before := w.messageWire(clicked, false)
		clicked.Text, clicked.Blocks, clicked.Attachments = got.text, got.blocks, got.attachments
		clicked.Edited, clicked.EditedTS = !clicked.Ephemeral, w.nextTS()
		w.changed()
		w.emitChanged(in, before, clicked)
		return nil
	}
	p := own(in, c.arg("thread_ts"), got)
	if c.arg("response_type") != "in_channel" {
		p.Ephemeral, p.For = true, r.person
	}
	w.add(p)
	w.emitMessage(in, p)
	return nil
}
