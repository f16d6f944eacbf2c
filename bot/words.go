package bot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// words turns an error into what a person is told: what is so and what to do. ok is false for an error that has no words;
// then the person gets a reference and the log the error. admins are ids of people and groups who can help.
func words(err error, command string, admins ...string) (text string, ok bool) {
	if act, is := errors.AsType[*actError](err); is {
		if text := act.words(admins); text != "" {
			return text, true
		}
	}
	if state, is := errors.AsType[*workflow.StateError](err); is {
		return stateWords(state), true
	}
	if errors.Is(err, workflow.ErrOthersUnknown) {
		return "I cannot check just now whether the people who asked for this batch and approved it still may; click again. " +
			"If that does not help, my operator finds out with `countersign doctor` which user group I cannot read.", true
	}
	if stranger, is := errors.AsType[*StrangerError](err); is {
		return strangerWords(stranger.Kind, admins), true
	}
	if file, is := errors.AsType[*workflow.FileError](err); is {
		remedy := sentence(escape(file.Remedy))
		if len(file.Columns) > 0 { // the remedy speaks of them
			remedy = strings.TrimSuffix(remedy, ".") + ": `" + escape(strings.Join(file.Columns, "`, `")) + "`."
		}
		return "I cannot use this file: " + quoted(file.Problem, reasonText) + ". " + remedy, true
	}
	if usage, is := errors.AsType[*workflow.UsageError](err); is {
		return usageWords(usage, command), true
	}
	if limit, is := errors.AsType[*workflow.LimitError](err); is {
		return fmt.Sprintf("That is %s rows, and the limit is %s (limits.max_changes); nothing was taken. Send it in parts.",
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
	if held, is := errors.AsType[*workflow.HeldError](err); is {
		return heldWords(held), true
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{report.ErrUnknownReport, "There is no report of that name; `" + command + " report list` shows them."},
		{report.ErrNotSupported, "That kind of report is not supported yet."},
		{report.ErrBusy, "That report is being made just now."},
		{report.ErrNoRun, "That report has not been made, or not on that day."},
		{report.ErrNoSnapshot, "What that report was made of is no longer kept."},
		{errNoReports, "No reports are set up (settings, reports)."},
		{workflow.ErrNotSent, "Atlassian could not be reached just now, and nothing was changed. Try again in a minute."},
		{workflow.ErrUnknownOutcome, "Atlassian did not answer in time. Try again in a minute."},
		{workflow.ErrNoRole, strangerWords(WithoutRole, admins)},
		{workflow.ErrNotAdmin, "Only admins may do that, and you are not one of them."},
		{workflow.ErrOwnBatch, "You asked for this batch, or sent its file, so you cannot decide on it. " +
			"Another admin has to."},
		{workflow.ErrSameHuman, "Your Slack account has the same address as the person who asked for this " +
			"batch, so you cannot decide on it. Somebody else has to."},
		{workflow.ErrHiddenAddress, "I cannot read your address in Slack, so I cannot tell whether you are the " +
			"person who asked. Show it in your profile, or let another admin approve."},
		{workflow.ErrOwnAccount, "This batch is on your own account. Another admin has to approve it."},
		{workflow.ErrRequesterLost, "The person who asked for this batch may not ask for changes any more, so it cannot be " +
			"approved or go on; nothing was done. Once it is rejected or cancelled, somebody else can ask again."},
		{workflow.ErrGroupUnreadable, "Slack does not show me a user group that decides who may do this. My operator finds out " +
			"which one with `countersign doctor`."},
		{workflow.ErrStaleDigest, "This card shows another plan than the one that stands now; nothing was done. Look at the " +
			"card again, then decide."},
		{workflow.ErrNotRequester, "Only the person who asked for this batch may do that; an admin may reject or cancel it."},
		{workflow.ErrMayNotResume, "I paused this batch myself, so somebody other than its requester has to resume it."},
		{workflow.ErrAlready, "You have approved this plan already; it counts once."},
		{workflow.ErrOtherOrg, "This batch was planned for another organisation than the settings name now. Ask for it again."},
		{workflow.ErrBeingChecked, "That was asked for already, and the batch made of it is still open."},
		{workflow.ErrUndone, "This batch was undone already."},
		{workflow.ErrNothingToUndo, "Nothing in this batch can be undone."},
		{workflow.ErrNothingToRetry, "Nothing in this batch can be retried."},
		{workflow.ErrTaken, "I have taken this before; the answer is under the file."},
		{workflow.ErrNeedsReason, "A reason is needed: put `reason: …` at the end, and send it again."},
		{workflow.ErrNothingToRead, "There are no rows in it, so there is nothing to do."},
		{workflow.ErrNeedsAction, "Neither the file nor the message says what is to happen. Say it in the message, for example " +
			"“deactivate”, or in a column `action`."},
		{workflow.ErrNoBatch, "There is no batch of that number."},
		{workflow.ErrGone, "The file of that request is no longer kept (store.keep_files); send it again."},
		{workflow.ErrKeyRefused, "Atlassian refuses the key of countersign. Its operator has to put the key right."},
		{workflow.ErrKeyScoped, "The Atlassian key of countersign was made with scopes; its operator has to make one without."},
		{workflow.ErrNotFound, "There is no such managed account."},
		{workflow.ErrThrottled, "Atlassian asks to slow down. Try again in a minute."},
		{workflow.ErrUnavailable, "Atlassian cannot be reached just now. Try again in a minute."},
		{errTooLarge, "The file is too large; I take up to 10 MB. Send it in parts."},
		{errSignIn, "Slack does not let me read this file. Share it with me in this channel and send it again; if that does not " +
			"help, the app misses the scope files:read."},
	} {
		if errors.Is(err, known.err) {
			return known.text, true
		}
	}
	return "", false
}

// askAnew is what to do with a batch that cannot go on as it is, whether it is still open or not.
const askAnew = "Withdraw or cancel the batch if it is still open, and ask again for what is left."

// guardWords says why a plan may not run by the settings of today.
func guardWords(e *workflow.GuardError) string {
	switch e.Code {
	case workflow.ReasonProtected:
		if len(e.Rows) == 0 { // it is known that some are in a group, and not which
			return "An account in it " + quoted(workflow.NewReason(e.Code, e.Facts...).Words(), reasonText) +
				" by now; nothing was done. " + askAnew
		}
		return "The settings protect what is in " + plural(len(e.Rows), "line ", "lines ") + lines(e.Rows) +
			" by now; nothing was done. " + askAnew
	case workflow.ReasonOwnAlone:
		return "The own account of who asked is in " + plural(len(e.Rows), "line ", "lines ") + lines(e.Rows) +
			" by now; nothing was done. Another person has to ask for it."
	case workflow.ReasonOrgAdmin:
		return "It changes accounts of organisation admins, which the rules do not allow any more; nothing was done."
	case workflow.ReasonStalePolicy:
		return sentence(quoted(workflow.NewReason(e.Code, e.Facts...).Words(), reasonText)) +
			" Nothing was done. " + askAnew
	}
	return sentence(quoted(workflow.NewReason(e.Code, e.Facts...).Words(), reasonText)) + " Nothing was done."
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
	return "Accounts or addresses of it belong to " + list(names) + " just now; nothing was done. " +
		"Wait for " + plural(len(names), "that batch", "those batches") + ", then try again."
}

func needsMoreWords(e *workflow.NeedsMoreError) string {
	text := fmt.Sprintf("It now needs %s, and has %s", many(e.Need, "approval", "approvals"), number(e.Has))
	if len(e.Why) > 0 {
		text += " (" + quoted(strings.Join(e.Why, "; "), reasonText) + ")"
	}
	text += ". "
	if len(e.Lost) > 0 {
		text = "The approval of " + mentions(e.Lost[:min(len(e.Lost), adminsShown)]) + " does not count any more, as who gave " +
			"it may not approve now. " + text
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

func usageWords(e *workflow.UsageError, command string) string {
	text := sentence(quoted(e.Problem, reasonText))
	if e.Nearest != "" {
		return text + " Did you mean `" + escape(command+" "+e.Nearest) + "`?"
	}
	return text + " Usage: `" + escape(command+" "+e.Usage) + "`."
}

// unknownWords is what a person is told of a fault that we have no words for.
func unknownWords(ref string) string {
	return "Something went wrong here, and nothing more was done. Whoever runs me finds it in the log under `" + ref + "`."
}

// stateWords tells somebody who was too late what had happened by then.
func stateWords(e *workflow.StateError) string {
	name := fmt.Sprintf("#%d ", e.Number)
	b := e.Batch
	if b == nil {
		return name + "is " + strings.ReplaceAll(string(e.State), "_", " ") + " by now."
	}
	decided := name
	if by := approvals(b); by != "" {
		decided += "was already approved by " + by + ", and "
	}
	switch {
	case b.State == workflow.Planning:
		return "Too early: " + name + "is still being checked."
	case b.State == workflow.AwaitingApproval:
		return name + "waits for approval; it has not been decided on."
	case ranOut(b):
		return name + "is being ended: its approval has run out."
	case b.Cancelling():
		return name + "is " + lowerFirst(ended(b))
	case b.State == workflow.Rejected, b.State == workflow.Cancelled:
		return name + "was " + lowerFirst(ended(b))
	case b.State == workflow.Expired:
		return name + lowerFirst(ended(b))
	case b.State == workflow.Approved:
		return decided + "starts by itself."
	case b.State == workflow.Running:
		return decided + "has been running since " + moment(b.Started) + "."
	case b.State == workflow.Paused && e.Wanted == workflow.Paused:
		return name + "is paused already: " + stopWords(b.Stop)
	case b.State == workflow.Paused:
		return decided + "has been paused since " + moment(b.Stop.At) + ": " + stopWords(b.Stop)
	case b.State == workflow.Done:
		return decided + "was done " + moment(b.Ended) + "."
	default:
		return name + "has nothing that can run."
	}
}

// lowerFirst makes the bold first word of a state's sentence part of another: "*Rejected* by" becomes "rejected by".
func lowerFirst(s string) string {
	s = strings.Replace(s, "*", "", 2)
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func strangerWords(kind Stranger, admins []string) string {
	switch kind {
	case Deactivated:
		return "Your Slack account is deactivated; I take nothing from it."
	case Guest:
		return "You are a guest in this workspace. Only full members may use countersign."
	case NotAPerson:
		return "I take requests and decisions from people only, not from bots, apps or workflows."
	case OtherOrg:
		return "You belong to another organisation. Only members of this one may use countersign."
	case SharedPlace:
		return "This channel is shared with another organisation, so I do nothing in it. Use a channel of your own organisation."
	case WithoutRole:
		if len(admins) == 0 {
			return "You may not ask for changes here."
		}
		return "You may not ask for changes here; ask " + mentions(admins[:min(len(admins), adminsShown)]) + "."
	default:
		return "I cannot check who you are just now; click again."
	}
}

// say gives the words for an error, and where there are none a reference that is in the log, too.
func (b *Bot) say(err error, doing string) message {
	text, ok := words(err, b.cfg.Command, b.cfg.Admins...)
	if !ok {
		ref := b.reference()
		b.log.Error().Str("reference", ref).Str("doing", doing).Err(err).Msg("no words for an error")
		return said(unknownWords(ref))
	}
	b.log.Info().Str("doing", doing).Err(err).Msg("refused")
	return said(text)
}
