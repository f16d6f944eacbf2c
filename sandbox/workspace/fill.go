package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// maxTyped is the most that a text input takes (docs: plain text input).
const maxTyped = 3000

// field is an element of a view that holds a value.
type field struct {
	block   map[string]any
	element map[string]any
}

func (f field) blockID() string  { return asText(f.block["block_id"]) }
func (f field) actionID() string { return asText(f.element["action_id"]) }
func (f field) isInput() bool    { return f.block["type"] == "input" }

// dispatches reports whether the app hears of each change: an input only tells when it says so.
func (f field) dispatches() bool { return !f.isInput() || f.block["dispatch_action"] == true }

// fields returns the elements of a view that hold a value, from top to bottom.
func (v *View) fields() []field {
	blocks, err := decodeList(string(v.Blocks))
	if err != nil {
		return nil
	}
	var found []field
	for _, block := range nestedBlocks(blocks) {
		for _, element := range interactive(block) {
			switch element["type"] {
			case "button", "overflow", "icon_button", "feedback_buttons":
			default:
				found = append(found, field{block: block, element: element})
			}
		}
	}
	return found
}

// settle gives every field its value: what it held before under the same ids, else what it begins
// with. The caller holds w.mu.
func (w *Workspace) settle(v *View) {
	state := make(map[string]map[string]any)
	for _, f := range v.fields() {
		value, held := v.state[f.blockID()][f.actionID()].(map[string]any)
		if !held || value["type"] != f.element["type"] {
			value, _ = w.fill(v.For, f.element, "") // nothing chosen is never wrong
			begin(f.element, value)
		}
		put(state, f, value)
	}
	v.state = state
}

func put(state map[string]map[string]any, f field, value any) {
	if state[f.blockID()] == nil {
		state[f.blockID()] = make(map[string]any)
	}
	state[f.blockID()][f.actionID()] = value
}

// fillIn puts values into the state of a view. They go by block_id, of inputs alone, or by
// action_id. The caller holds w.mu.
func (w *Workspace) fillIn(v *View, values map[string]string) error {
	left := maps.Clone(values)
	state := v.values()
	for _, f := range v.fields() {
		value, given := values[f.blockID()]
		if !f.isInput() || !given {
			value, given = values[f.actionID()]
			delete(left, f.actionID())
		} else {
			delete(left, f.blockID())
		}
		if !given {
			continue
		}
		filled, err := w.fill(v.For, f.element, value)
		if err != nil {
			return fmt.Errorf("fill in %s: %w", f.blockID(), err)
		}
		put(state, f, filled)
	}
	for id := range left {
		return fmt.Errorf("fill in %s: %w", id, ErrNotFound)
	}
	v.state = state
	w.changed()
	return nil
}

// FillView types and chooses in an open view without submitting it, as [Workspace.SubmitView] takes
// the values; the app learns of them with the next click or submission.
func (w *Workspace) FillView(person, viewID string, values map[string]string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.viewBy(viewID, "")
	if v == nil || v.For != person {
		return fmt.Errorf("fill in view %s: %w", viewID, errNoView)
	}
	return w.fillIn(v, values)
}

// begin puts what an element begins with into its value object.
func begin(element, filled map[string]any) {
	for from, to := range map[string]string{
		"initial_value": "value", "initial_option": "selected_option", "initial_options": "selected_options",
		"initial_user": "selected_user", "initial_users": "selected_users", "initial_channel": "selected_channel",
		"initial_channels": "selected_channels", "initial_conversation": "selected_conversation",
		"initial_conversations": "selected_conversations", "initial_date": "selected_date",
		"initial_time": "selected_time", "initial_date_time": "selected_date_time",
	} {
		if element[from] != nil {
			filled[to] = element[from]
		}
	}
}

// missing returns the client's own refusals: required fields that are empty, texts of the wrong
// length.
func (v *View) missing() error {
	found := ViewErrors{}
	for _, f := range v.fields() {
		filled, _ := v.state[f.blockID()][f.actionID()].(map[string]any)
		switch {
		case !f.isInput():
		case empty(filled):
			if f.block["optional"] != true {
				found[f.blockID()] = "Please complete this required field."
			}
		default:
			if words := wrongLength(f.element, asText(filled["value"])); words != "" {
				found[f.blockID()] = words
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &found
}

// wrongLength returns what the client says of a text that is too short or too long.
func wrongLength(element map[string]any, typed string) string {
	bound := func(name string, otherwise int64) int64 {
		number, is := element[name].(interface{ Int64() (int64, error) })
		if !is {
			return otherwise
		}
		n, err := number.Int64()
		if err != nil {
			return otherwise
		}
		return n
	}
	n := int64(utf8.RuneCountInString(typed))
	if least := bound("min_length", 0); n < least {
		return fmt.Sprintf("Please use at least %d characters.", least)
	}
	if most := bound("max_length", maxTyped); n > most {
		return fmt.Sprintf("Please use at most %d characters.", most)
	}
	return ""
}

// empty reports whether a value object holds nothing but its type.
func empty(filled map[string]any) bool {
	for key, value := range filled {
		if key == "type" || value == nil {
			continue
		}
		switch list := value.(type) {
		case []any:
			return len(list) == 0
		case []string:
			return len(list) == 0
		case []map[string]any:
			return len(list) == 0
		}
		return false
	}
	return true
}

// Option is one of the choices that an app gave for what somebody typed.
type Option struct {
	Text        string `json:"text"`
	Description string `json:"description,omitempty"`
	Value       string `json:"value"`
	Group       string `json:"group,omitempty"` // label of its group
}

// defaultQueryLength is how many letters somebody types before an external select asks the app
// (docs: select menu of external data source).
const defaultQueryLength = 3

// Suggest types into an external select of a view: block_suggestion goes to the app, and what it
// acknowledges with is offered. Fewer letters than the element wants ask nobody. Afterwards the
// values offered can be chosen.
func (w *Workspace) Suggest(ctx context.Context, person, viewID, actionID, query string) ([]Option, error) {
	w.mu.Lock()
	v := w.viewBy(viewID, "")
	if v == nil || v.For != person {
		w.mu.Unlock()
		return nil, fmt.Errorf("search in view %s: %w", viewID, errNoView)
	}
	fields := v.fields()
	at := slices.IndexFunc(fields, func(f field) bool {
		kind := f.element["type"]
		return f.actionID() == actionID && (kind == "external_select" || kind == "multi_external_select")
	})
	if at < 0 {
		w.mu.Unlock()
		return nil, fmt.Errorf("search: no external select %s in view %s: %w", actionID, viewID, ErrNotFound)
	}
	least := int64(defaultQueryLength)
	if number, is := fields[at].element["min_query_length"].(interface{ Int64() (int64, error) }); is {
		least, _ = number.Int64()
	}
	if int64(utf8.RuneCountInString(query)) < least {
		w.mu.Unlock()
		return nil, nil
	}
	payload := w.interaction("block_suggestion", person)
	delete(payload, "trigger_id") // typing opens nothing
	maps.Copy(payload, map[string]any{
		"action_id": actionID, "block_id": fields[at].blockID(), "value": query, "view": w.viewWire(v),
		"container": map[string]any{"type": "view", "view_id": v.ID},
	})
	d := w.dispatch(envelope{Type: "interactive", Payload: payload, Accepts: true})
	w.mu.Unlock()
	answer, err := w.request(ctx, d, ErrTimeout)
	if err != nil {
		return nil, err
	}
	return w.offer(person, actionID, string(answer))
}

// errBadOptions is for an answer that Slack's client cannot show.
var errBadOptions = errors.New("the app's options cannot be shown")

// offer checks the options of an answer and makes them choosable for a person.
func (w *Workspace) offer(person, actionID, answer string) ([]Option, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if answer == "" {
		answer = "{}" // no hit
	}
	parts, err := decodeList("[" + answer + "]")
	if err != nil {
		w.violate("socket", "invalid_options", "the answer to a search is not an object")
		return nil, errBadOptions
	}
	c := newChecker(InModal)
	shape{may: fields{
		"options": list(0, 100, option(plain)), "option_groups": list(0, 100, optionGroup),
	}}.check(c, "", parts[0])
	if err := c.verdict("invalid_options"); err != nil {
		w.violate("socket", "invalid_options", err.Error())
		return nil, errBadOptions
	}
	known := w.offered[person+" "+actionID]
	if known == nil {
		known = make(map[string]any)
		w.offered[person+" "+actionID] = known
	}
	shown := []Option{}
	show := func(group string, options any) {
		all, _ := options.([]any)
		for _, each := range all {
			object, _ := each.(map[string]any)
			text, _ := object["text"].(map[string]any)
			described, _ := object["description"].(map[string]any)
			known[asText(object["value"])] = each
			shown = append(shown, Option{
				Text: asText(text["text"]), Description: asText(described["text"]), Value: asText(object["value"]), Group: group,
			})
		}
	}
	object, _ := parts[0].(map[string]any)
	show("", object["options"])
	groups, _ := object["option_groups"].([]any)
	for _, group := range groups {
		group, _ := group.(map[string]any)
		label, _ := group["label"].(map[string]any)
		show(asText(label["text"]), group["options"])
	}
	return shown, nil
}
