package page

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"

	"github.com/countersign/countersign/sandbox/workspace"
)

// maxRequest bounds a JSON request; files come by another way.
const maxRequest = 1 << 20

// outcomeJSON is what came of an act: nothing, the error that the person sees, or sentences under a
// form's inputs.
type outcomeJSON struct {
	Error  string            `json:"error,omitempty"`
	Errors map[string]string `json:"errors,omitempty"` // block_id → sentence
}

func (p *Page) postSay(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person  string   `json:"person"`
		Channel string   `json:"channel"`
		Thread  string   `json:"thread"` // ts of the parent, empty for the channel
		Text    string   `json:"text"`
		Files   []string `json:"files"` // ids of uploads
	}](w, r)
	if !ok {
		return
	}
	files, err := p.uploads.get(act.Files)
	if err == nil {
		_, err = p.workspace.Say(r.Context(), act.Person, act.Channel, act.Thread, act.Text, files...)
	}
	if err == nil {
		p.uploads.remove(act.Files)
	}
	answer(w, outcome(err))
}

func (p *Page) postCommand(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person  string `json:"person"`
		Channel string `json:"channel"`
		Text    string `json:"text"` // what stands after the command
	}](w, r)
	if !ok {
		return
	}
	answer(w, outcome(p.workspace.Command(r.Context(), act.Person, act.Channel, act.Text)))
}

// postClick uses an element of a message, named by channel and ts, or of an open view.
func (p *Page) postClick(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person  string `json:"person"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
		View    string `json:"view"`
		Action  string `json:"action"`
		Block   string `json:"block"`
		Value   string `json:"value"` // of a menu, or of a button that others resemble

		Values map[string]string `json:"values"` // what the fields of the view hold: block_id → value
		Blocks json.RawMessage   `json:"blocks"` // of the message or the view, as the page shows it
	}](w, r)
	if !ok {
		return
	}
	var err error
	switch {
	case act.View != "" && len(act.Blocks) > 0:
		err = p.workspace.ClickViewShown(
			r.Context(), act.Person, act.View, act.Blocks, act.Values, act.Block, act.Action, act.Value)
	case act.View != "":
		if err = p.workspace.FillView(act.Person, act.View, act.Values); err == nil {
			err = p.workspace.ClickViewIn(r.Context(), act.Person, act.View, act.Block, act.Action, act.Value)
		}
	case len(act.Blocks) > 0:
		err = p.workspace.ClickShown(
			r.Context(), act.Person, act.Channel, act.TS, act.Blocks, act.Action, act.Block, act.Value)
	default:
		err = p.workspace.ClickValue(r.Context(), act.Person, act.Channel, act.TS, act.Action, act.Block, act.Value)
	}
	answer(w, outcome(err))
}

func (p *Page) postSubmit(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person string            `json:"person"`
		View   string            `json:"view"`
		Values map[string]string `json:"values"` // block_id → what was typed or chosen
	}](w, r)
	if !ok {
		return
	}
	answer(w, outcome(p.workspace.SubmitView(r.Context(), act.Person, act.View, act.Values)))
}

func (p *Page) postClose(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person string `json:"person"`
		View   string `json:"view"`
	}](w, r)
	if !ok {
		return
	}
	answer(w, outcome(p.workspace.CloseView(r.Context(), act.Person, act.View)))
}

func outcome(err error) outcomeJSON {
	if sentences, ok := errors.AsType[*workspace.ViewErrors](err); ok {
		return outcomeJSON{Errors: *sentences}
	}
	if err != nil {
		return outcomeJSON{Error: err.Error()}
	}
	return outcomeJSON{}
}

// read decodes a request's JSON, strictly: a misspelt field would be an act that silently does
// less. Only the JSON type is taken, which no other site's page can send without asking first.
func read[T any](w http.ResponseWriter, r *http.Request) (T, bool) {
	var body T
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "a request is application/json", http.StatusUnsupportedMediaType)
		return body, false
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		http.Error(w, "read request: "+err.Error(), http.StatusBadRequest)
		return body, false
	}
	return body, true
}
