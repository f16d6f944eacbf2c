package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ClickView uses an element of an open modal or of the Home tab; see [Workspace.ClickValue]. Of
// several buttons with one action_id, as in the rows of a table, it presses the one with the value.
func (w *Workspace) ClickView(ctx context.Context, person, viewID, actionID, value string) error {
	return w.ClickViewIn(ctx, person, viewID, "", actionID, value)
}

// ClickViewIn is ClickView in one block of the view; an empty blockID fits every block.
func (w *Workspace) ClickViewIn(ctx context.Context, person, viewID, blockID, actionID, value string) error {
	return w.clickView(ctx, person, viewID, nil, nil, blockID, actionID, value)
}

// ClickViewShown is ClickViewIn on the blocks that a client shows (JSON, as [View.Blocks]), with what
// it has in its fields (as [Workspace.SubmitView] takes it): an update that it has not drawn yet
// does not lose the click. What stands in a field, or was chosen, and is gone since is dropped.
func (w *Workspace) ClickViewShown(
	ctx context.Context, person, viewID string, shown json.RawMessage, values map[string]string, blockID, actionID, value string,
) error {
	return w.clickView(ctx, person, viewID, shown, values, blockID, actionID, value)
}

// clickView clicks in a view, by what is shown of it where that is given.
func (w *Workspace) clickView(
	ctx context.Context, person, viewID string, shown json.RawMessage, values map[string]string, blockID, actionID, value string,
) error {
	w.mu.Lock()
	v := w.viewBy(viewID, "")
	if v == nil || v.For != person {
		w.mu.Unlock()
		return fmt.Errorf("click in view %s: %w", viewID, errNoView)
	}
	for id, given := range values {
		if err := w.fillIn(v, map[string]string{id: given}); err != nil && !errors.Is(err, ErrNotFound) {
			w.mu.Unlock()
			return err
		}
	}
	if shown == nil {
		shown = v.Blocks
	}
	element, block := findElement(shown, actionID, blockID, value)
	if element == nil {
		w.mu.Unlock()
		return fmt.Errorf("click: no element %s in view %s: %w", actionID, viewID, ErrNotFound)
	}
	f := field{block: block, element: element}
	action, err := w.choose(person, element, block, value)
	if err == nil {
		w.hold(v, f, action)
	}
	if err != nil || !f.dispatches() {
		w.mu.Unlock()
		return err
	}
	payload := w.interaction("block_actions", person)
	maps.Copy(payload, map[string]any{
		"container": map[string]any{"type": "view", "view_id": v.ID}, "view": w.viewWire(v), "actions": []map[string]any{action},
	})
	d := w.dispatch(envelope{Type: "interactive", Payload: payload})
	w.mu.Unlock()
	_, err = w.request(ctx, d, ErrTimeout)
	return err
}

// hold puts what was chosen into the state of a view. The caller holds w.mu.
func (w *Workspace) hold(v *View, f field, action map[string]any) {
	for _, each := range v.fields() {
		if each.blockID() == f.blockID() && each.actionID() == f.actionID() {
			value, is := stateOf(action)[f.blockID()].(map[string]any)
			if !is { // what was shown is another kind of element since
				continue
			}
			put(v.state, f, value[f.actionID()])
			w.changed()
		}
	}
}

// SubmitView fills in the top modal and submits it. values go by block_id or action_id; a file
// input takes ids of [Workspace.AddFile] and a menu of several the values with commas between. A
// required field that is empty, and what the app answers with response_action errors, come back as
// [ViewErrors].
func (w *Workspace) SubmitView(ctx context.Context, person, viewID string, values map[string]string) error {
	w.mu.Lock()
	v, err := w.top(person, viewID)
	if err == nil && v.Submit == "" {
		err = errors.New("the view has no button to submit it")
	}
	if err == nil {
		err = w.fillIn(v, values)
	}
	if err == nil {
		err = v.missing()
	}
	if err != nil {
		w.mu.Unlock()
		return err
	}
	payload := w.interaction("view_submission", person)
	payload["view"], payload["response_urls"] = w.viewWire(v), []any{}
	d := w.dispatch(envelope{Type: "interactive", Payload: payload, Accepts: true})
	w.mu.Unlock()
	answer, err := w.request(ctx, d, ErrTimeout)
	if err != nil {
		return err
	}
	return w.submitted(person, viewID, answer)
}

// SubmitStale submits a view as somebody still has it on another machine, whatever took its place since.
// What the app answers replaces what is open now.
func (w *Workspace) SubmitStale(ctx context.Context, person string, shown View) error {
	w.mu.Lock()
	if v := w.viewBy(shown.ID, ""); v == nil || v.For != person {
		w.mu.Unlock()
		return fmt.Errorf("submit view %s: %w", shown.ID, errNoView)
	}
	payload := w.interaction("view_submission", person)
	payload["view"], payload["response_urls"] = w.viewWire(&shown), []any{}
	d := w.dispatch(envelope{Type: "interactive", Payload: payload, Accepts: true})
	w.mu.Unlock()
	answer, err := w.request(ctx, d, ErrTimeout)
	if err != nil {
		return err
	}
	return w.submitted(person, shown.ID, answer)
}

// submitted does what the app answered to a submission; nothing closes the view.
func (w *Workspace) submitted(person, viewID string, answer json.RawMessage) error {
	var reply struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   json.RawMessage   `json:"view"`
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if answer != nil && json.Unmarshal(answer, &reply) != nil {
		w.violate("socket", "invalid_response_action", "the answer to a submission is not an object")
		return ErrTimeout
	}
	stack := w.views[person]
	at := slices.IndexFunc(stack, func(v *View) bool { return v.ID == viewID })
	if at < 0 {
		return nil // closed while the app thought
	}
	switch reply.Action {
	case "", "clear":
		w.views[person] = stack[:at]
		if reply.Action == "clear" {
			w.views[person] = nil
		}
		w.changed()
		return nil
	case "errors":
		return w.submissionErrors(stack[at], reply.Errors)
	case "update", "push":
		v, err := w.readView(string(reply.View), "modal")
		if err != nil {
			w.violate("socket", "invalid_response_action", err.Error())
			return ErrTimeout
		}
		if reply.Action == "update" {
			w.replace(stack[at], v)
			return nil
		}
		if len(stack) >= maxStack {
			w.violate("socket", "push_limit_reached", "a fourth view on the stack")
			return ErrTimeout
		}
		w.show(person, v)
		return nil
	}
	w.violate("socket", "invalid_response_action", "unknown response_action "+reply.Action)
	return ErrTimeout
}

// submissionErrors takes sentences for input blocks only; Slack shows no others.
func (w *Workspace) submissionErrors(v *View, sentences map[string]string) error {
	inputs := v.inputs()
	for id := range sentences {
		if inputs[id] == nil {
			w.violate("socket", "invalid_response_action", "an error for "+id+", which is no input block")
			return ErrTimeout
		}
	}
	found := ViewErrors(sentences)
	return &found
}

// CloseView closes the top modal as the person's X does; view_closed is sent when the view asked
// for it.
func (w *Workspace) CloseView(ctx context.Context, person, viewID string) error {
	w.mu.Lock()
	v, err := w.top(person, viewID)
	if err != nil {
		w.mu.Unlock()
		return err
	}
	stack := w.views[person]
	w.views[person] = stack[:len(stack)-1]
	if v.ClearOnClose {
		w.views[person] = nil
	}
	w.changed()
	if !v.NotifyOnClose {
		w.mu.Unlock()
		return nil
	}
	payload := w.interaction("view_closed", person)
	payload["view"], payload["is_cleared"] = w.viewWire(v), v.ClearOnClose
	d := w.dispatch(envelope{Type: "interactive", Payload: payload})
	w.mu.Unlock()
	if d != nil {
		_, err = w.await(ctx, d)
	}
	if errors.Is(err, ErrTimeout) {
		return nil // nobody sees it
	}
	return err
}

// OpenHome is a person's click on the app's name: app_home_opened is sent.
func (w *Workspace) OpenHome(ctx context.Context, person string) error {
	return w.openTab(ctx, person, "home")
}

// OpenMessages is a person's click on the Messages tab of the app: app_home_opened is sent for that
// tab, too.
func (w *Workspace) OpenMessages(ctx context.Context, person string) error {
	return w.openTab(ctx, person, "messages")
}

func (w *Workspace) openTab(ctx context.Context, person, tab string) error {
	w.mu.Lock()
	var err error
	switch {
	case w.person(person) == nil:
		err = fmt.Errorf("open the app's %s tab: person %s: %w", tab, person, ErrNotFound)
	case w.cfg.NoHome && tab == "home":
		err = errors.New("open the app's home tab: it is off")
	}
	if err != nil {
		w.mu.Unlock()
		return err
	}
	event := map[string]any{"type": "app_home_opened", "user": person, "channel": w.openDM(person).ID, "tab": tab}
	if v := w.homes[person]; v != nil && tab == "home" {
		event["view"] = w.viewWire(v)
	}
	heard := w.emit(nil, event)
	w.mu.Unlock()
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// top returns the person's open view on top of the stack, if it is this one. The caller holds w.mu.
func (w *Workspace) top(person, viewID string) (*View, error) {
	stack := w.views[person]
	if len(stack) == 0 || stack[len(stack)-1].ID != viewID {
		return nil, fmt.Errorf("view %s: %w", viewID, errNoView)
	}
	return stack[len(stack)-1], nil
}

// inputs returns the input blocks of a view by block_id.
func (v *View) inputs() map[string]map[string]any {
	found := make(map[string]map[string]any)
	blocks, err := decodeList(string(v.Blocks))
	if err != nil {
		return found
	}
	for _, block := range blocks {
		if object, is := block.(map[string]any); is && object["type"] == "input" {
			found[asText(object["block_id"])] = object
		}
	}
	return found
}
