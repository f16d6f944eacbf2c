package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	triggerLife = 3 * time.Second // docs: interactivity, trigger_id
	maxStack    = 3               // views on top of each other (docs: modals)
)

// View is a modal or a Home tab as one person has it before them.
type View struct {
	ID              string          `json:"id"`
	Type            string          `json:"type"` // "modal" or "home"
	For             string          `json:"for"`  // person
	Title           string          `json:"title,omitempty"`
	Submit          string          `json:"submit,omitempty"` // label of the button; empty: the view cannot be submitted
	Close           string          `json:"close,omitempty"`
	Blocks          json.RawMessage `json:"blocks"`
	CallbackID      string          `json:"callback_id,omitempty"`
	ExternalID      string          `json:"external_id,omitempty"`
	PrivateMetadata string          `json:"private_metadata,omitempty"`
	Hash            string          `json:"hash"`
	RootViewID      string          `json:"root_view_id,omitempty"`
	PreviousViewID  string          `json:"previous_view_id,omitempty"`
	ClearOnClose    bool            `json:"clear_on_close,omitempty"`
	NotifyOnClose   bool            `json:"notify_on_close,omitempty"`

	state map[string]map[string]any // what was filled in so far: block_id → action_id → value object
}

// trigger is a trigger_id that was given out.
type trigger struct {
	person string
	until  time.Time
	used   bool
}

// newTrigger returns a trigger_id for something that the person has done. The caller holds w.mu.
func (w *Workspace) newTrigger(person string) string {
	id := fmt.Sprintf("%d.%d.%s", time.Now().UnixMilli(), w.rand.Int64N(1e12), strings.ToLower(w.newID("", 16)))
	w.triggers[id] = &trigger{person: person, until: time.Now().Add(triggerLife)}
	return id
}

// useTrigger returns the person of a trigger_id, once.
func (w *Workspace) useTrigger(c *call) (string, error) {
	t := w.triggers[c.arg("trigger_id")]
	switch {
	case t == nil:
		return "", refuse("invalid_trigger_id")
	case t.used:
		return "", refuse("exchanged_trigger_id")
	case time.Now().After(t.until):
		return "", refuse("expired_trigger_id")
	}
	t.used = true
	return t.person, nil
}

// readView checks a view of a call and fills in the ids of its blocks.
func (w *Workspace) readView(raw, kind string) (*View, error) {
	if len(raw) > maxView {
		return nil, refuse("view_too_large")
	}
	parts, err := decodeList("[" + raw + "]")
	if err != nil || len(parts) != 1 {
		return nil, refuse("invalid_arguments", "[ERROR] missing required field: view")
	}
	c := newChecker(InModal)
	if kind == "home" {
		c.where = InHome
	}
	if sent, is := parts[0].(map[string]any); is {
		sent, _ := sent["blocks"].([]any)
		if err := w.refusedBlocks(sent, c.where, "/view/blocks"); err != nil {
			return nil, err
		}
	}
	may := fields{
		"private_metadata": letters(0, maxPrivate), "callback_id": letters(0, maxID), "external_id": letters(0, maxID),
		"clear_on_close": flag, "notify_on_close": flag, "submit_disabled": flag,
	}
	need := fields{"type": oneOf(kind), "blocks": func(c *checker, at string, v any) {
		blocks, is := v.([]any)
		if !is {
			c.fail(at, "must be an array")
			return
		}
		c.blocks(at, blocks)
	}}
	if kind == "modal" {
		need["title"], may["submit"], may["close"] = text(24, plain), text(24, plain), text(24, plain)
	}
	shape{need: need, may: may}.check(c, "/view", parts[0])
	if view, is := parts[0].(map[string]any); is && kind == "modal" && c.inputs > 0 && view["submit"] == nil {
		c.fail("/view/submit", "missing required field: submit")
	}
	if err := c.verdict("invalid_arguments"); err != nil {
		return nil, err
	}
	object := parts[0].(map[string]any) // the checker let an object through only
	blocks, _ := object["blocks"].([]any)
	w.fillIDs(blocks)
	label := func(name string) string {
		text, _ := object[name].(map[string]any)
		s, _ := text["text"].(string)
		return s
	}
	v := &View{
		Type: kind, Title: label("title"), Submit: label("submit"), Close: label("close"), Blocks: encode(blocks),
		CallbackID: asText(object["callback_id"]), ExternalID: asText(object["external_id"]),
		PrivateMetadata: asText(object["private_metadata"]),
		Hash:            w.newHash(),
	}
	v.ClearOnClose, _ = object["clear_on_close"].(bool)
	v.NotifyOnClose, _ = object["notify_on_close"].(bool)
	return v, nil
}

func (w *Workspace) newHash() string {
	return fmt.Sprintf("%d.%s", time.Now().Unix(), strings.ToLower(w.newID("", 8)))
}

// viewWire returns the view object of answers and payloads. The caller holds w.mu.
func (w *Workspace) viewWire(v *View) map[string]any {
	wire := map[string]any{
		"id": v.ID, "team_id": w.cfg.TeamID, "type": v.Type, "blocks": v.Blocks, "private_metadata": v.PrivateMetadata,
		"callback_id": v.CallbackID, "hash": v.Hash, "clear_on_close": v.ClearOnClose, "notify_on_close": v.NotifyOnClose,
		"root_view_id": v.RootViewID, "previous_view_id": nil, "app_id": AppID, "external_id": v.ExternalID,
		"app_installed_team_id": w.cfg.TeamID, "bot_id": BotID, "state": map[string]any{"values": v.values()},
		"title": nil, "close": nil, "submit": nil,
	}
	if v.PreviousViewID != "" {
		wire["previous_view_id"] = v.PreviousViewID
	}
	for name, label := range map[string]string{"title": v.Title, "close": v.Close, "submit": v.Submit} {
		if label != "" {
			wire[name] = map[string]any{"type": plain, "text": label, "emoji": true}
		}
	}
	return wire
}

// values returns a copy of the state of a view, which what is on its way to the app may keep.
func (v *View) values() map[string]map[string]any {
	state := make(map[string]map[string]any, len(v.state))
	for id, held := range v.state {
		state[id] = maps.Clone(held)
	}
	return state
}

// show puts a view on top of a person's stack. The caller holds w.mu.
func (w *Workspace) show(person string, v *View) {
	v.ID, v.For = w.newID("V", 9), person
	v.RootViewID = v.ID
	if stack := w.views[person]; len(stack) > 0 {
		v.RootViewID, v.PreviousViewID = stack[0].ID, stack[len(stack)-1].ID
	}
	w.views[person] = append(w.views[person], v)
	w.settle(v)
	w.changed()
}

// freeExternalID refuses an external_id that another view has.
func (w *Workspace) freeExternalID(v *View, except string) error {
	if v.ExternalID != "" {
		if other := w.viewBy("", v.ExternalID); other != nil && other.ID != except {
			return refuse("duplicate_external_id")
		}
	}
	return nil
}

// viewBy finds an open view by id or external id, in all stacks and Home tabs.
func (w *Workspace) viewBy(id, external string) *View {
	fits := func(v *View) bool { return id != "" && v.ID == id || external != "" && v.ExternalID == external }
	for _, stack := range w.views {
		if at := slices.IndexFunc(stack, fits); at >= 0 {
			return stack[at]
		}
	}
	for _, v := range w.homes {
		if fits(v) {
			return v
		}
	}
	return nil
}

func viewsOpen(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("view", "trigger_id"); err != nil {
		return nil, err
	}
	v, err := w.readView(c.arg("view"), "modal")
	if err == nil {
		err = w.freeExternalID(v, "")
	}
	if err != nil {
		return nil, err
	}
	person, err := w.useTrigger(c)
	if err != nil {
		return nil, err
	}
	w.views[person] = nil // a new modal takes the place of the open ones (not documented)
	w.show(person, v)
	return map[string]any{"view": w.viewWire(v)}, nil
}

func viewsPush(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("view", "trigger_id"); err != nil {
		return nil, err
	}
	v, err := w.readView(c.arg("view"), "modal")
	if err == nil {
		err = w.freeExternalID(v, "")
	}
	if err != nil {
		return nil, err
	}
	person, err := w.useTrigger(c)
	switch {
	case err != nil:
		return nil, err
	case len(w.views[person]) == 0:
		return nil, refuse("not_found")
	case len(w.views[person]) >= maxStack:
		return nil, refuse("push_limit_reached")
	}
	w.show(person, v)
	return map[string]any{"view": w.viewWire(v)}, nil
}

func viewsUpdate(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("view"); err != nil {
		return nil, err
	}
	old := w.viewBy(c.arg("view_id"), c.arg("external_id"))
	switch {
	case old == nil:
		return nil, refuse("not_found")
	case c.arg("hash") != "" && c.arg("hash") != old.Hash:
		return nil, refuse("hash_conflict")
	}
	v, err := w.readView(c.arg("view"), old.Type)
	if err == nil {
		err = w.freeExternalID(v, old.ID)
	}
	if err != nil {
		return nil, err
	}
	w.replace(old, v)
	return map[string]any{"view": w.viewWire(old)}, nil
}

// replace gives an open view new contents; its place in the stack stays, and so does what was typed
// under the same ids.
func (w *Workspace) replace(old, v *View) {
	v.ID, v.For, v.RootViewID, v.PreviousViewID, v.state = old.ID, old.For, old.RootViewID, old.PreviousViewID, old.state
	w.settle(v)
	*old = *v
	w.changed()
}

func viewsPublish(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("view", "user_id"); err != nil {
		return nil, err
	}
	person := c.arg("user_id")
	old := w.homes[person]
	switch {
	case w.cfg.NoHome:
		return nil, refuse("not_enabled")
	case w.person(person) == nil:
		return nil, refuse("invalid_arguments", "[ERROR] user not found [json-pointer:/user_id]")
	case old != nil && c.arg("hash") != "" && c.arg("hash") != old.Hash:
		return nil, refuse("hash_conflict")
	}
	v, err := w.readView(c.arg("view"), "home")
	if err != nil {
		return nil, err
	}
	v.For, v.ID = person, w.newID("V", 9)
	if old != nil {
		v.ID, v.state = old.ID, old.state
	}
	v.RootViewID = v.ID
	w.settle(v)
	w.homes[person] = v
	w.changed()
	return map[string]any{"view": w.viewWire(v)}, nil
}

// Views returns a person's open modals, the top one last.
func (w *Workspace) Views(person string) []View {
	w.mu.Lock()
	defer w.mu.Unlock()
	views := make([]View, 0, len(w.views[person]))
	for _, v := range w.views[person] {
		views = append(views, *v)
	}
	return views
}

// HasHome reports whether the app has a Home tab.
func (w *Workspace) HasHome() bool { return !w.cfg.NoHome }

// Home returns the Home tab that the app published for a person.
func (w *Workspace) Home(person string) (View, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.homes[person]
	if v == nil {
		return View{}, false
	}
	return *v, true
}

// ViewErrors are the sentences that a submission brought back: block_id → sentence.
type ViewErrors map[string]string

func (e *ViewErrors) Error() string {
	var parts []string
	for id, words := range *e {
		parts = append(parts, id+": "+words)
	}
	slices.Sort(parts)
	return "the form has errors: " + strings.Join(parts, "; ")
}

// errNoView is for a view that is not, or no longer, before the person.
var errNoView = errors.New("the view is not open")
