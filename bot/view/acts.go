package view

import (
	"fmt"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// The ids of what can be pressed: a closed set, as they come back from Slack. Those of acts on a
// batch are their names.
const (
	ActionApprove  = string(workflow.ActApprove)
	ActionReject   = string(workflow.ActReject)
	ActionWithdraw = string(workflow.ActWithdraw)
	ActionPause    = string(workflow.ActPause)
	ActionCancel   = string(workflow.ActCancel)
	ActionResume   = string(workflow.ActResume)
	ActionRecheck  = string(workflow.ActRecheck)
	ActionRetry    = string(workflow.ActRetry)
	ActionUndo     = string(workflow.ActUndo)
	ActionAgain    = string(workflow.ActAskAgain)
	ActionChoose   = "choose_action" // the menu under a file that does not say what is to happen
)

// actView is how an act on a batch looks and reads in Slack. When it may be done, and by whom,
// workflow.Acts says.
type actView struct {
	Label string // of its button
	Style slack.Style
	Verb  string // "You may not … #42."
	Done  string // "#42: …." answers the command

	// Dialog is what the button asks once more, nil for an act that does not (Act.Confirm).
	Dialog func(Card) *slack.ConfirmationBlockObject
	// Followed changes the button of a batch of which one was made by this act: another label, or
	// no button. nil changes nothing.
	Followed func(Relation) (label string, hidden bool)
	// Made answers an act that made a batch of another one, nil for acts that make none.
	Made func(made, of int64) string
}

// actViews returns the acts that can be done in Slack, by name. An act has its button and its
// sentences once it has an entry.
func actViews() map[workflow.ActName]actView {
	return map[workflow.ActName]actView{
		workflow.ActApprove: {
			Label: "Approve", Style: slack.StylePrimary, Verb: "approve", Dialog: Card.confirmApprove,
		},
		workflow.ActReject: {
			Label: "Reject", Style: slack.StyleDanger, Verb: "reject",
		},
		workflow.ActWithdraw: {
			Label: "Withdraw", Verb: "withdraw",
		},
		workflow.ActResume: {
			Label: "Resume", Style: slack.StylePrimary, Verb: "resume", Done: "resumed",
		},
		workflow.ActStart: {
			Label: "Start now", Style: slack.StylePrimary, Verb: "start", Done: "starts now", Dialog: Card.confirmStart,
		},
		workflow.ActEnd: {
			Label: "End now", Verb: "end", Done: "its return starts now", Dialog: Card.confirmEnd,
		},
		workflow.ActKeep: {
			Label: "Keep", Verb: "keep", Done: "your Keep counts", Dialog: Card.confirmKeep,
		},
		workflow.ActPause: {
			Label: "Pause", Verb: "pause", Done: "paused",
		},
		workflow.ActCancel: {
			Label: "Cancel", Style: slack.StyleDanger, Verb: "cancel", Done: "cancelled", Dialog: Card.confirmCancel,
		},
		workflow.ActRetry: {
			Label: "Retry failed", Verb: "retry", Done: "checking the failed rows again", Dialog: Card.confirmRetry,
		},
		workflow.ActUndo: {
			Label: "Undo", Verb: "undo", Dialog: Card.confirmUndo, Followed: undone,
			Made: func(made, of int64) string {
				return fmt.Sprintf("Undo of #%d is request #%d. It needs approval.", of, made)
			},
		},
		workflow.ActAskAgain: {
			Label: "Ask again", Verb: "ask again for", Followed: askedAgain,
			Made: func(made, _ int64) string { return fmt.Sprintf("Asked again as #%d. See its card.", made) },
		},
		workflow.ActRecheck: {
			Label: "Check again", Verb: "check",
			Made: func(made, _ int64) string { return fmt.Sprintf("Checking again as #%d. See its card.", made) },
		},
	}
}

// whoMay names the people who may do something: "its requester or an admin".
func whoMay(who workflow.Who) string {
	return map[workflow.Who]string{
		workflow.WithRole:         "anyone who may ask for changes",
		workflow.RequesterAlone:   "its requester",
		workflow.RequesterOrAdmin: "its requester or an admin",
		workflow.Admins:           "an admin",
		workflow.OtherAdmins:      "an admin other than the requester",
	}[who]
}

// DoneWords returns the end of the answer to a command that did an act on a batch: "#42: paused.".
func DoneWords(action string) string { return actViews()[workflow.ActName(action)].Done }
