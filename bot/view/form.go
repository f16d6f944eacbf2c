package view

import (
	"encoding/json"
	"fmt"

	"github.com/slack-go/slack"
)

// FormData goes through a form and back: which button opened it, and where its answer goes.
type FormData struct {
	Value   string `json:"value"`
	Channel string `json:"channel"`
	// View is the modal that the button stands in, and Shown what that one shows; "" where it stands
	// on a card.
	View  string `json:"view,omitempty"`
	Shown string `json:"shown,omitempty"`
}

func (f FormData) String() string {
	raw, err := json.Marshal(f)
	if err != nil {
		return "" // two strings: cannot fail
	}
	return string(raw)
}

// ParseForm reads what came back with a form; ok is false when it is not one of ours.
func ParseForm(s string) (f FormData, ok bool) {
	return f, json.Unmarshal([]byte(s), &f) == nil
}

// The ids of the form for a rejection.
const (
	RejectForm  = "reject_form"
	ReasonBlock = "reason"
	ReasonInput = "reason_text"
)

// NeedsReason is the answer to a rejection whose reason is nothing but spaces.
const NeedsReason = "Say what is wrong, so that the person who asked can correct it."

// RejectModal asks for the reason of a rejection.
func RejectModal(f FormData) slack.ModalViewRequest {
	title := "Reject"
	if n, _, ok := ParseValue(f.Value); ok {
		title = fmt.Sprintf("Reject #%d", n)
	}
	input := slack.NewPlainTextInputBlockElement(plain("What is wrong with it?", maxPlaceholder), ReasonInput)
	input.Multiline, input.MaxLength, input.MinLength = true, reasonText, 1
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: RejectForm, PrivateMetadata: f.String(),
		Title: plain(title, maxViewTitle), Submit: plain("Reject", maxViewTitle), Close: plain("Not now", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewInputBlock(ReasonBlock, plain("Reason", maxLabel), plain("Everybody sees it on the card.", maxLabel), input),
		}},
	}
}
