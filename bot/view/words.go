package view

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/sheet"
)

// Words returns what a person is told about an error: what is so and what to do. ok is false for an
// error without words; the person then gets a reference, and the log the error. admins are the ids
// of people and groups who can help.
func Words(err error, command string, admins ...string) (text string, ok bool) {
	if act, is := errors.AsType[*ActError](err); is {
		if text := act.words(admins); text != "" {
			return text, true
		}
	}
	if state, is := errors.AsType[*workflow.StateError](err); is {
		return stateWords(state), true
	}
	if errors.Is(err, workflow.ErrOthersUnknown) {
		return "I cannot check whether the people who asked and approved still may. Click again. " +
			"If that does not help, `countersign doctor` names the user group that Slack does not show.", true
	}
	if ineligible, is := errors.AsType[*workflow.IneligibleError](err); is {
		return ineligibleWords(ineligible.Kind, admins), true
	}
	if file, is := errors.AsType[*sheet.FileError](err); is {
		remedy := sentence(escape(file.Remedy))
		if len(file.Columns) > 0 { // the remedy speaks of them
			remedy = strings.TrimSuffix(remedy, ".") + ": `" + escape(strings.Join(file.Columns, "`, `")) + "`."
		}
		return "This file cannot be used: " + quoted(file.Problem, reasonText) + ". " + remedy, true
	}
	if limit, is := errors.AsType[*workflow.LimitError](err); is {
		return fmt.Sprintf("%s rows are over the limit of %s (limits.max_changes). Nothing was taken. Send the file in parts.",
			number(limit.Rows), number(limit.Limit)), true
	}
	if guard, is := errors.AsType[*workflow.GuardError](err); is {
		return guardWords(guard), true
	}
	if more, is := errors.AsType[*workflow.NeedsMoreError](err); is {
		return needsMoreWords(more), true
	}
	if refusal, is := errors.AsType[*workflow.Refusal](err); is {
		return sentence(quoted(refusal.Reason.Words(), reasonText)), true
	}
	if unread, is := errors.AsType[*workflow.UnreadGroupsError](err); is {
		return unreadWords(unread), true
	}
	if when, is := errors.AsType[*workflow.WhenError](err); is {
		return sentence(quoted(when.Problem, reasonText)) + " Nothing was taken. Send it again with another time.", true
	}
	if not, is := errors.AsType[*NotTheirsError](err); is {
		return not.words(), true
	}
	if not, is := errors.AsType[*NotListedError](err); is {
		return not.words(), true
	}
	if held, is := errors.AsType[*workflow.HeldError](err); is {
		return heldWords(held), true
	}
	if none, is := errors.AsType[*report.NoRunError](err); is {
		return noRunWords(none, command), true
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{report.ErrUnknownReport, "No report has that name. `" + command + " report list` shows all."},
		{report.ErrNotSupported, "That kind of report is not supported yet."},
		{report.ErrBusy, "This report is already being made."},
		{report.ErrNoRun, "No report for that day. `" + command + " report list` shows the last one."},
		{report.ErrNoSnapshot, "That night is no longer kept."},
		{report.ErrNoNight, "No night is recorded yet, so I am reading the directory first. Send the list again in 10 minutes."},
		{ErrDraftOld, "This draft is over a day old. Send the list again with the word `compare`."},
		{ErrMessageUnread, "I cannot read the message of the file. Choose again, or send the file again."},
		{ErrNothingToDraft, "No request can be drafted: every account is protected, an admin's, or could not be checked."},
		{ErrNoReports, "No reports are set up (settings, reports)."},
		{workflow.ErrNotSent, "Atlassian cannot be reached. Nothing was changed. Try again in a minute."},
		{workflow.ErrUnknownOutcome, "Atlassian did not answer in time. Try again in a minute."},
		{workflow.ErrNoRole, ineligibleWords(workflow.WithoutRole, admins)},
		{workflow.ErrNotAdmin, "Only admins can do that."},
		{workflow.ErrOwnBatch, "You asked for this or wrote its file, so somebody else must decide."},
		{workflow.ErrSameHuman, "You have the same address or Atlassian account as the person who asked, so somebody else must decide."},
		{workflow.ErrHiddenAddress, "Slack does not show me your email address, so I cannot tell you from the person who asked. Show it in your " +
			"profile, or let another admin approve."},
		{workflow.ErrOwnAccount, "This changes your own account, so another admin must decide."},
		{workflow.ErrRequesterLost, "The person who asked may not ask for changes any more. Nothing was done. Reject or cancel the batch; " +
			"then somebody else can ask again."},
		{workflow.ErrGroupUnreadable, "Slack does not show me a user group that says who may do this. `countersign doctor` names it."},
		{workflow.ErrStaleDigest, "The plan changed since this card was drawn. Nothing was done. Look again, then decide."},
		{workflow.ErrNotRequester, "Only the person who asked can do that. An admin can reject or cancel."},
		{workflow.ErrMayNotResume, "countersign stopped this batch, so an admin other than its requester must press *Resume*."},
		{workflow.ErrAlready, "You have decided on this plan already. It counts once."},
		{workflow.ErrOtherOrg, "The settings name another organisation than this plan does. Ask again."},
		{workflow.ErrBeingChecked, "This was asked for already, and that request is still open."},
		{workflow.ErrUndone, "This batch is undone already."},
		{workflow.ErrNothingToUndo, "Nothing in this batch can be undone."},
		{workflow.ErrNotWaiting, "This batch has no start time, so there is nothing to start early."},
		{workflow.ErrNoReturn, "This batch has no end time, so there is nothing to end or keep."},
		{workflow.ErrReturnWaits, "This batch takes back another one at its end. Press *End now* or *Keep* on the card of that one."},
		{workflow.ErrTimeOver, "The time of this batch is over. What it did is being taken back."},
		{workflow.ErrTimePassed, "The time that was asked for has passed. Ask again with another time."},
		{workflow.ErrNothingToRetry, "Nothing in this batch can be retried."},
		{workflow.ErrTaken, "This file was taken already. The answer is under it."},
		{workflow.ErrNeedsReason, "A reason is needed. Add `reason: …` at the end, then send it again."},
		{workflow.ErrNothingToRead, "The file has no rows. Add a row for each account, then send it again."},
		{workflow.ErrNeedsAction, "What should happen to these accounts? Say it in the message, for example “deactivate”, or in a column `action`."},
		{workflow.ErrNoBatch, "No batch has that number. `" + command + " batches` shows the recent ones."},
		{workflow.ErrGone, "That file is no longer kept (store.keep_files). Send it again."},
		{workflow.ErrKeyRefused, "Atlassian refuses the API key of countersign. Its operator must replace the key."},
		{workflow.ErrKeyScoped, "The Atlassian API key of countersign has scopes. Its operator must make one without scopes."},
		{workflow.ErrNotFound, "No managed account has that address or id. Check the spelling."},
		{workflow.ErrThrottled, "Atlassian asks us to slow down. Try again in a minute."},
		{workflow.ErrUnavailable, "Atlassian cannot be reached. Try again in a minute."},
		{slackapi.ErrTooLarge, "The file is over 10 MB. Send it in parts."},
		{slackapi.ErrSignIn, "Slack does not let me read this file. Share it in this channel again. If that does not help, the app lacks the " +
			"scope files:read."},
	} {
		if errors.Is(err, known.err) {
			return known.text, true
		}
	}
	return "", false
}

// unreadWords name the user groups that Slack does not show, and the settings that name them.
func unreadWords(e *workflow.UnreadGroupsError) string {
	names := make([]string, len(e.Groups))
	for i, id := range e.Groups {
		var settings []string
		if slices.Contains(e.Rules, id) {
			settings = append(settings, "approval.rules")
		}
		if id == e.Emergency {
			settings = append(settings, "emergency.group")
		}
		names[i] = id + " (" + list(settings) + ")"
	}
	return "Slack does not show me the user " + plural(len(names), "group ", "groups ") + list(names) +
		", so I cannot tell how many approvals this needs. Nothing was done. `countersign doctor` says what Slack says of " +
		plural(len(names), "it", "them") + "."
}

// noRunWords names the report that is not there, and the last one that is.
func noRunWords(e *report.NoRunError, command string) string {
	if e.Last == "" {
		return "No " + quoted(e.Report, tableCell) + " yet. `" + command + " report list` says when it runs."
	}
	return "No " + quoted(e.Report, tableCell) + " for that day. Last one: " + quoted(e.Last, tableCell) + "."
}

// askAnew is what to do with a batch that cannot go on as it is, whether it is still open or not.
const askAnew = "Withdraw or cancel it, then ask again for what is left."

// guardView is what is said of a plan that may not run: when it is known which rows that is about,
// and when it is not. {lines} names the rows, {reason} is the reason as a clause and {Reason} as a
// sentence.
type guardView struct{ rows, all string }

// guardViews returns the reasons that go with more, or other, words than their own.
func guardViews() map[workflow.ReasonCode]guardView {
	const (
		own    = "{lines} changes the account of the person who asked. Nothing was done. Another person must ask for it."
		admins = "It changes accounts of organisation admins, which the rules no longer allow. Nothing was done."
		stale  = "{Reason} Nothing was done. " + askAnew
	)
	return map[workflow.ReasonCode]guardView{
		workflow.ReasonProtected: {
			rows: "The settings now protect the account in {lines}. Nothing was done. " + askAnew,
			all:  "An account in it {reason}. Nothing was done. " + askAnew, // in a group, and not known which
		},
		workflow.ReasonOwnAlone:    {rows: own, all: own},
		workflow.ReasonOrgAdmin:    {rows: admins, all: admins},
		workflow.ReasonStalePolicy: {rows: stale, all: stale},
	}
}

// guardWords returns the answer for a plan that may not run by the settings of today.
func guardWords(e *workflow.GuardError) string {
	view, ok := guardViews()[e.Code]
	if !ok {
		view.rows = "{Reason} Nothing was done."
		view.all = view.rows
	}
	text := view.rows
	if len(e.Rows) == 0 {
		text = view.all
	}
	reason := quoted(workflow.NewReason(e.Code, e.Facts...).Words(), reasonText)
	return upperFirst(strings.NewReplacer(
		"{lines}", plural(len(e.Rows), "line ", "lines ")+lines(e.Rows), "{reason}", reason, "{Reason}", sentence(reason),
	).Replace(text))
}

// heldWords names the batches that stand in the way.
func heldWords(e *workflow.HeldError) string {
	var numbers []int64
	for _, h := range e.Holds {
		if !slices.Contains(numbers, h.Batch) {
			numbers = append(numbers, h.Batch)
		}
	}
	slices.Sort(numbers)
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = fmt.Sprintf("#%d", n)
	}
	return "Accounts or addresses in it are in open batch " + list(names) + ". Nothing was done. " +
		"Wait for " + plural(len(names), "that batch", "those batches") + ", then try again."
}

func needsMoreWords(e *workflow.NeedsMoreError) string {
	text := fmt.Sprintf("This now needs %s and has %s", many(e.Need, "approval", "approvals"), number(e.Has))
	if len(e.Why) > 0 {
		text += " (" + quoted(strings.Join(e.Why, "; "), reasonText) + ")"
	}
	text += ". "
	if len(e.Lost) > 0 {
		text = "The approval of " + mentions(e.Lost[:min(len(e.Lost), AdminsShown)]) + " does not count any more: they may not approve " +
			"now. " + text
	}
	return text + "Nothing was done. " + askAnew
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// Usage answers a command that was not understood: what is wrong, and how it or the one that was
// meant is written.
func Usage(command, problem, usage, nearest string) slackapi.Message {
	text := sentence(quoted(problem, reasonText))
	if nearest != "" {
		return Said(text + " Did you mean `" + escape(command+" "+nearest) + "`?")
	}
	return Said(text + " Usage: `" + escape(command+" "+usage) + "`.")
}

// WasAway answers words that were written to the bot while it was away, and that it does not do later.
func WasAway(words string, at time.Time) slackapi.Message {
	return Said("I was away when you wrote “" + quoted(words, lineText) + "” " + moment(at) + ", and it was not done. Write it again if you still want it.")
}

// FormOffered stands over the button that opens the form.
const FormOffered = "Press *New request* to fill in the form."

// OfferForm adds the button that opens the form, filled in with the words of a command that lacks a word.
func OfferForm(says slackapi.Message, words string) slackapi.Message {
	if len(words) > maxButtonValue { // the form opens empty
		words = "new"
	}
	says.Blocks = append(says.Blocks, slack.NewActionBlock("offer", button(ActionForm, "New request", words, slack.StylePrimary, nil)))
	return says
}

// Instead answers a command that is none with sentences of ours on what to do instead.
func Instead(problem, say string) slackapi.Message {
	return Said(sentence(quoted(problem, reasonText)) + " " + strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(say))
}

// Fault returns what a person is told of a fault that we have no words for.
func Fault(ref string) string {
	return "Something went wrong; nothing more was done. Reference for your admin: `" + ref + "`."
}

// DatabaseFault is Fault where it is known what is wrong with the database and what to do.
func DatabaseFault(what, remedy, ref string) string {
	return sentence("the database of countersign cannot be used: "+what) + " Nothing more was done. Its operator must " + remedy +
		"; then try again. Reference for them: `" + ref + "`."
}

// stateWords tells somebody who was too late what had happened by then.
func stateWords(e *workflow.StateError) string {
	name := fmt.Sprintf("#%d ", e.Number)
	b := e.Batch
	if b == nil {
		return name + "is " + strings.ReplaceAll(string(e.State), "_", " ") + "."
	}
	decided := name
	if by := approvals(b); by != "" {
		decided += "was already approved by " + by + ", and "
	}
	switch {
	case b.State == workflow.Planning:
		return name + "is still being checked. Try again when its card asks for approval."
	case b.State == workflow.AwaitingApproval:
		return name + "still waits for approval."
	case ranOut(b):
		return name + "is ending: its approval expired during the run."
	case b.Cancelling():
		return name + "is " + lowerFirst(ended(b))
	case b.State == workflow.Rejected, b.State == workflow.Cancelled:
		return name + "was " + lowerFirst(ended(b))
	case b.State == workflow.Expired:
		return name + lowerFirst(ended(b))
	case b.Waiting():
		return decided + "starts " + moment(b.When.At) + "."
	case b.State == workflow.Approved:
		return decided + "starts by itself."
	case b.State == workflow.Running:
		return decided + "runs since " + moment(b.Started) + "."
	case b.State == workflow.Paused && e.Wanted == workflow.Paused:
		return name + "is paused already. " + stopWords(b.Stop)
	case b.State == workflow.Paused:
		return decided + "is paused since " + moment(b.Stop.At) + ". " + stopWords(b.Stop)
	case b.State == workflow.Done:
		return tooLate(b, e.Wanted)
	default:
		return name + "has no row that can run."
	}
}

// tooLate says that a batch is done, to somebody who wanted something else of it.
func tooLate(b *workflow.Batch, wanted workflow.State) string {
	verb := map[workflow.State]string{
		workflow.Paused: "paused", workflow.Cancelled: "cancelled", workflow.Running: "resumed", workflow.Approved: "approved",
		workflow.Rejected: "rejected",
	}[wanted]
	by := approvals(b)
	if by != "" && wanted == workflow.Approved {
		return fmt.Sprintf("#%d was already approved by %s. It finished %s.", b.Number, by, moment(b.Ended))
	}
	text := fmt.Sprintf("#%d finished %s", b.Number, moment(b.Ended))
	if verb != "" {
		text += ", so it cannot be " + verb
	}
	if by != "" && wanted == workflow.Rejected {
		return text + ". It was already approved by " + by + "."
	}
	stops := wanted == workflow.Paused || wanted == workflow.Cancelled
	if stops && slices.ContainsFunc(b.Traits.Actions, action.HasInverse) {
		return text + ". Press *Undo* on its card to put it back."
	}
	return text + "."
}

// lowerFirst makes the bold first word of a state's sentence part of another: "*Rejected* by"
// becomes "rejected by".
func lowerFirst(s string) string {
	s = strings.Replace(s, "*", "", 2)
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func ineligibleWords(kind workflow.Ineligible, admins []string) string {
	switch kind {
	case workflow.Deactivated:
		return "Your Slack account is deactivated, so countersign takes nothing from it."
	case workflow.Guest:
		return "You are a guest in this workspace. Only full members can use countersign."
	case workflow.NotAPerson:
		return "countersign takes requests and decisions from people only, not from bots, apps or workflows."
	case workflow.OtherOrg:
		return "You belong to another organisation. Only members of this one can use countersign."
	case workflow.SharedPlace:
		return "This channel is shared with another organisation, so countersign does nothing here. Use a channel of your own organisation."
	case workflow.WithoutRole:
		if len(admins) == 0 {
			return "You cannot ask for changes."
		}
		return "You cannot ask for changes. Ask " + mentions(admins[:min(len(admins), AdminsShown)]) + "."
	default:
		return "I cannot check who you are; click again."
	}
}

// ErrDraftOld says that what a draft would be made of was found over a day ago.
var ErrDraftOld = errors.New("the draft is over a day old")

// ErrNoReports says that there are no reports to ask for.
var ErrNoReports = errors.New("no reports are set up")

// ErrMessageUnread says that the message that brought a file cannot be read, or is gone.
var ErrMessageUnread = errors.New("the message of the file cannot be read")

// ErrNothingToDraft says that a report has no account of which a request could be drafted.
var ErrNothingToDraft = errors.New("no account of which a request could be made")
