package page

import (
	"net/http"

	"github.com/countersign/countersign/sandbox/workspace"
)

// postTab opens the Home or the Messages tab of the app.
func (p *Page) postTab(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person string `json:"person"`
		Tab    string `json:"tab"` // home or messages
	}](w, r)
	if !ok {
		return
	}
	open := p.workspace.OpenMessages
	if act.Tab == "home" {
		open = p.workspace.OpenHome
	}
	answer(w, outcome(open(r.Context(), act.Person)))
}

// postShortcut chooses a shortcut: one of a message where it is named by channel and ts, else a
// global one.
func (p *Page) postShortcut(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person   string `json:"person"`
		Callback string `json:"callback"`
		Channel  string `json:"channel"`
		TS       string `json:"ts"`
	}](w, r)
	if !ok {
		return
	}
	if act.TS == "" {
		answer(w, outcome(p.workspace.GlobalShortcut(r.Context(), act.Person, act.Callback)))
		return
	}
	answer(w, outcome(p.workspace.MessageShortcut(r.Context(), act.Person, act.Channel, act.TS, act.Callback)))
}

// postSuggest asks the app what fits the letters typed into a search.
func (p *Page) postSuggest(w http.ResponseWriter, r *http.Request) {
	act, ok := read[struct {
		Person string `json:"person"`
		View   string `json:"view"`
		Action string `json:"action"`
		Query  string `json:"query"`
	}](w, r)
	if !ok {
		return
	}
	options, err := p.workspace.Suggest(r.Context(), act.Person, act.View, act.Action, act.Query)
	if options == nil {
		options = []workspace.Option{}
	}
	answer(w, struct {
		outcomeJSON
		Options []workspace.Option `json:"options"`
	}{outcome(err), options})
}
