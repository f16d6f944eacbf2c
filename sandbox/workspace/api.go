package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds the body of a Web API call.
const maxBody = 4 << 20

// method is one method of the Web API.
type method struct {
	tier   tier
	app    bool     // taken with the app token, which must stand in the Authorization header
	scopes []string // the bot token must have all of them; methods on channels ask for theirs themselves
	run    func(*Workspace, *call) (map[string]any, error)
}

// call is one request to the Web API.
type call struct {
	name     string
	args     url.Values // without the token; a JSON value that is no string as its JSON text
	header   string     // token in Authorization
	field    string     // token in the body
	query    bool       // a token stood in the address
	warnings []string
}

func (c *call) arg(name string) string { return c.args.Get(name) }

func (c *call) flag(name string) bool {
	on, err := strconv.ParseBool(c.arg(name))
	return err == nil && on
}

func (c *call) number(name string, otherwise int) int {
	n, err := strconv.Atoi(c.arg(name))
	if err != nil {
		return otherwise
	}
	return n
}

// list returns a comma-separated argument, or a JSON list of strings.
func (c *call) list(name string) []string {
	text := c.arg(name)
	var words []string
	if json.Unmarshal([]byte(text), &words) == nil {
		return words
	}
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// need refuses the call when one of the arguments is empty. Slack answers invalid_arguments with
// the names.
func (c *call) need(names ...string) error {
	var messages []string
	for _, name := range names {
		if c.arg(name) == "" {
			messages = append(messages, "[ERROR] missing required field: "+name)
		}
	}
	if messages != nil {
		return refuse("invalid_arguments", messages...)
	}
	return nil
}

// refusal is an error answer of the Web API.
type refusal struct {
	code             string
	messages         []string // response_metadata.messages
	needed, provided string   // of missing_scope
	status           int      // HTTP status, 200 when 0
	retryAfter       time.Duration
	blameless        bool // a fault's doing, not the app's
}

func (r *refusal) Error() string {
	return strings.Join(append([]string{r.code}, r.messages...), ": ")
}

func refuse(code string, messages ...string) error {
	return &refusal{code: code, messages: messages}
}

func (w *Workspace) serveAPI(rw http.ResponseWriter, r *http.Request) {
	c, err := readCall(rw, r)
	var reply map[string]any
	if err == nil {
		reply, err = w.answer(r, c)
	}
	if errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler) // drops the connection without an answer
	}
	rw.Header().Set("X-OAuth-Scopes", strings.Join(w.Scopes(), ","))
	if m, known := w.methods[c.name]; known {
		rw.Header().Set("X-Accepted-OAuth-Scopes", strings.Join(m.scopes, ","))
	}
	writeReply(rw, c, reply, err)
}

func writeReply(rw http.ResponseWriter, c *call, reply map[string]any, err error) {
	status := http.StatusOK
	if reply == nil {
		reply = map[string]any{}
	}
	reply["ok"] = err == nil
	metadata, _ := reply["response_metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		reply["error"] = refused.code
		if refused.needed != "" {
			reply["needed"], reply["provided"] = refused.needed, refused.provided
		}
		if refused.messages != nil {
			metadata["messages"] = refused.messages
		}
		if refused.retryAfter > 0 {
			rw.Header().Set("Retry-After", strconv.Itoa(int((refused.retryAfter+time.Second-1)/time.Second)))
		}
		status = max(status, refused.status)
	} else if err != nil {
		reply["error"] = "internal_error"
	}
	if len(c.warnings) > 0 {
		reply["warning"], metadata["warnings"] = strings.Join(c.warnings, ","), c.warnings
	}
	if len(metadata) > 0 {
		reply["response_metadata"] = metadata
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(reply) // nobody is left to tell
}

// readCall takes a call out of a form or JSON body, or out of the address.
func readCall(rw http.ResponseWriter, r *http.Request) (*call, error) {
	c := &call{name: r.PathValue("method"), args: r.URL.Query(), query: r.URL.Query().Has("token")}
	c.args.Del("token")
	c.header, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	r.Body = http.MaxBytesReader(rw, r.Body, maxBody)
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	switch kind {
	case "application/json":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return c, refuse("request_timeout")
		}
		var values map[string]json.RawMessage
		if len(body) > 0 && json.Unmarshal(body, &values) != nil {
			return c, refuse("invalid_json")
		}
		for name, value := range values {
			var text string
			if string(value) == "null" {
				continue
			}
			if json.Unmarshal(value, &text) != nil {
				text = string(value)
			}
			if name != "token" { // a token in a JSON body is not looked at (docs: web API basics)
				c.args.Set(name, text)
			}
		}
	case "multipart/form-data":
		err = r.ParseMultipartForm(maxBody)
	default:
		err = r.ParseForm()
	}
	if err != nil {
		return c, refuse("invalid_form_data")
	}
	for name, values := range r.PostForm {
		if name == "token" {
			c.field = first(values)
			continue
		}
		c.args[name] = values
	}
	return c, nil
}

// answer runs one call: faults, token, scopes, rate limit, the method itself.
func (w *Workspace) answer(r *http.Request, c *call) (map[string]any, error) {
	at := time.Now()
	w.mu.Lock()
	faults := w.faults
	w.mu.Unlock()
	if faults.BeforeCall != nil {
		if planned := faults.BeforeCall(c.name, c.args); planned != nil {
			if !w.sleep(context.WithoutCancel(r.Context()), planned.Delay) { // a caller who leaves has been heard all the same
				return nil, http.ErrAbortHandler
			}
			if err := planned.err(); err != nil {
				w.record(c, at, err)
				return nil, err
			}
		}
	}
	reply, err := w.run(c, at)
	if err == nil {
		w.deletePosted(c.name, reply, faults.DeletePosted)
	}
	if err == nil && faults.AfterEffect != nil && faults.AfterEffect(c.name) {
		return nil, http.ErrAbortHandler
	}
	return reply, err
}

func (w *Workspace) run(c *call, at time.Time) (reply map[string]any, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.recordLocked(c, at, err) }()
	m, known := w.methods[c.name]
	if !known {
		return nil, refuse("unknown_method")
	}
	if err := w.checkToken(c, m); err != nil {
		return nil, err
	}
	if err := w.need(m.scopes...); err != nil {
		return nil, err
	}
	if err := w.pace(c, m.tier); err != nil {
		return nil, err
	}
	return m.run(w, c)
}

// checkToken refuses a call whose token is missing, wrong, of the other kind or in the wrong place.
func (w *Workspace) checkToken(c *call, m method) error {
	token := c.header
	if token == "" && !m.app {
		token = c.field
	}
	if c.query {
		w.violate(c.name, "token_in_address", "a token in the address ends in logs; send it in the Authorization header")
	}
	if m.app && c.field != "" {
		w.violate(c.name, "app_token_in_body", "the app token belongs in the Authorization header")
	}
	switch {
	case token == "" && c.query:
		return refuse("invalid_auth")
	case token == "":
		return refuse("not_authed")
	case m.app && token == w.cfg.AppToken:
		return nil
	case !m.app && token == w.cfg.BotToken && w.botRevoked:
		return refuse("token_revoked")
	case !m.app && token == w.cfg.BotToken:
		return nil
	case token == w.cfg.AppToken || token == w.cfg.BotToken:
		return refuse("not_allowed_token_type")
	}
	return refuse("invalid_auth")
}

// allScopes is what a Config without scopes has: all but chat:write.public, with which no public
// channel is closed.
var allScopes = []string{
	"app_mentions:read", "channels:history", "channels:read", "chat:write", "commands", "files:read", "files:write",
	"groups:history", "groups:read", "im:history", "im:read", "im:write", "mpim:read", "reactions:read",
	"reactions:write", "team:read", "usergroups:read", "users:read", "users:read.email",
}

// Scopes returns the scopes of the bot token, as the x-oauth-scopes header gives them.
func (w *Workspace) Scopes() []string { return slices.Clone(w.cfg.Scopes) }

func (w *Workspace) has(scope string) bool { return slices.Contains(w.cfg.Scopes, scope) }

// need refuses with missing_scope unless the bot token has all the scopes.
func (w *Workspace) need(scopes ...string) error {
	for _, scope := range scopes {
		if !w.has(scope) {
			return &refusal{code: "missing_scope", needed: strings.Join(scopes, ","), provided: strings.Join(w.Scopes(), ",")}
		}
	}
	return nil
}

// page cuts a list by the arguments limit and cursor and gives the next cursor, empty on the last
// page.
func page[T any](c *call, all []T, limit int) (part []T, metadata map[string]any) {
	from := 0
	if cursor, found := strings.CutPrefix(c.arg("cursor"), "at:"); found {
		from, _ = strconv.Atoi(cursor)
	}
	from = min(max(from, 0), len(all))
	size := c.number("limit", limit)
	if size <= 0 {
		size = limit
	}
	to := min(from+size, len(all))
	next := ""
	if to < len(all) {
		next = "at:" + strconv.Itoa(to)
	}
	return all[from:to], map[string]any{"next_cursor": next}
}
