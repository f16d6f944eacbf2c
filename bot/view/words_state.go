package view

import (
	"fmt"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// ended returns the sentence on what happened to a batch that is past its decision: by whom, when
// and why.
func ended(b *workflow.Batch) string {
	switch b.State {
	case workflow.Approved, workflow.Running, workflow.Paused:
		switch {
		case ranOut(b):
			return runningOut(b)
		case b.Cancelling():
			return "*Being cancelled* by " + mention(b.Ending.By.ID) + ". Changes already sent finish; the rest is skipped."
		case b.State == workflow.Running:
			return "*Running* since " + moment(b.Started) + "."
		case b.State == workflow.Paused:
			return pausedWords(b)
		}
		return approvedWords(b)
	case workflow.Done:
		return "*Done* " + moment(b.Ended) + "."
	case workflow.Rejected:
		if e := ending(b); e != nil {
			return withReason(fmt.Sprintf("*Rejected* by %s %s", mention(e.By.ID), moment(e.At)), e.Reason)
		}
		return "*Rejected* " + moment(b.Ended) + "."
	case workflow.Expired:
		return "*Expired* " + moment(b.Ended) + ". " + tooFew(b)
	case workflow.Cancelled:
		return cancelled(b)
	case workflow.Empty:
		if why := GivenUp(b); why != "" {
			return "*No row can run*: " + quoted(strings.TrimSuffix(why, "."), reasonText) + "."
		}
		if b.Source.Kind == workflow.SourceCommand && b.Follows == 0 { // most have no card, and so no thread
			return "*No row can run.*"
		}
		return "*No row can run.* Reasons are in the thread."
	case workflow.AwaitingApproval:
		return "Waiting for approval."
	default:
		return "Being checked."
	}
}

// tooFew says what was missing of the approvals of a batch that expired.
func tooFew(b *workflow.Batch) string {
	n := len(b.Approvers())
	if n == 0 {
		return "Nobody decided in time."
	}
	return fmt.Sprintf("It had %s of %s approvals: %s.", number(n), number(b.Approvals), approvals(b))
}

// approvedWords say who approved, and when the batch starts.
func approvedWords(b *workflow.Batch) string {
	s := "*Approved*"
	if by := approvals(b); by != "" {
		s += " by " + by
	}
	if b.Waiting() {
		return s + ", starts " + moment(b.When.At) + "."
	}
	return s + ". Starts by itself."
}

// pausedWords say who or what paused a batch, and who can resume.
func pausedWords(b *workflow.Batch) string {
	if b.Stop.Cause == workflow.StopPerson {
		return "*Paused* by " + mention(b.Stop.By.ID) + " " + moment(b.Stop.At) + ". " + mayResume(b)
	}
	return "*Paused* " + moment(b.Stop.At) + ". " + stopWords(b.Stop) + " " + mayResume(b)
}

// ranOutThen is what becomes of a run that took longer than its approval lasts.
const ranOutThen = "Changes already sent finish; the remaining rows become a new request."

// ranOut reports whether a run is being ended because its approval ran out.
func ranOut(b *workflow.Batch) bool { return b.Cancelling() && b.Ending.How == workflow.Done }

// runningOut returns the words for a run that ends before all of it is done.
func runningOut(b *workflow.Batch) string {
	if b.Over {
		return "*The time is over.* Changes already sent finish, the rest is skipped, and what was done is taken back."
	}
	if reason := b.Ending.Reason; reason != "" {
		return "*" + upperFirst(quoted(reason, reasonText)) + ".* " + ranOutThen
	}
	return "*The approval expired* during the run. " + ranOutThen
}

// parkedWords name the rows whose accounts may show a parking address, "" when there are none. Once
// the batch has ended, only people can put them right.
func parkedWords(b *workflow.Batch) string {
	if len(b.Parked) == 0 {
		return ""
	}
	word := plural(len(b.Parked), "Line ", "Lines ") + lines(b.Parked) + ": " +
		plural(len(b.Parked), "the account may show", "the accounts may show") + " a parking address (countersign-park-…)."
	if b.State.Open() {
		return word
	}
	return word + " Set the right address in Atlassian; *Details* names it."
}

// ending returns who ended the batch early. A rejection is a decision, too, so that it is found
// even where no ending was written.
func ending(b *workflow.Batch) *workflow.Ending {
	if b.Ending != nil {
		return b.Ending
	}
	for _, d := range b.Decisions {
		if d.Verdict == workflow.Reject {
			return &workflow.Ending{By: d.Person, How: workflow.Rejected, Reason: d.Reason, At: d.At}
		}
	}
	return nil
}

func cancelled(b *workflow.Batch) string {
	e := ending(b)
	if e == nil {
		return "*Cancelled* " + moment(b.Ended) + "."
	}
	word, reason := "Cancelled", e.Reason
	switch {
	case withdrawn(b): // what a person did is written there, too
		word, reason = "Withdrawn", ""
	case reason == "cancelled":
		reason = ""
	}
	by := "countersign"
	if e.By.ID != "" && e.By.ID != workflow.Bot {
		by = mention(e.By.ID)
	}
	return withReason(fmt.Sprintf("*%s* by %s %s", word, by, moment(e.At)), reason)
}

// withdrawn reports whether the requester took the batch back before anybody decided.
func withdrawn(b *workflow.Batch) bool {
	return b.State == workflow.Cancelled && b.Ending != nil && b.Ending.Reason == "withdrawn"
}

// withReason ends a sentence with what a person wrote, in quotes, so that it does not run into the
// next one.
func withReason(s, reason string) string {
	if reason == "" {
		return s + "."
	}
	return s + ": “" + quoted(reason, reasonText) + "”."
}

// stopCauses returns the words of the causes for which the bot pauses a batch: what happened, and what
// to do. {note} is the count or the limit that belongs to the cause, {lines} are the rows and {rows} is
// how many they are.
func stopCauses() map[workflow.StopCause]string {
	return map[workflow.StopCause]string{
		workflow.StopCanary:      "Stopped: 1 of the first {note} changes failed{lines}.",
		workflow.StopInARow:      "Stopped: {note} changes failed in a row{lines}.",
		workflow.StopPercent:     "Stopped: {note}{lines}.",
		workflow.StopKeyRefused:  "Atlassian refused the API key ({note}). The refused calls changed nothing. Fix the key, then press *Resume*.",
		workflow.StopUnknown:     "{rows} unconfirmed for 15 minutes{lines}. Checking goes on; *Resume* lets the other rows go on, too.",
		workflow.StopUnavailable: "Atlassian did not answer for {note}. Press *Resume* when it does.",
		workflow.StopLateStart:   "It did not run within {note}. Check that it is still wanted, then press *Resume*.",
		workflow.StopLicence: "A licence has no free seat. Raise it or free seats in Atlassian admin, press *Resume*, and press *Retry " +
			"failed* at the end.",
		workflow.StopStart: "Its time has come, but it may not start: {note}. Once that is settled, press *Resume*; else cancel it.",
		workflow.StopStuck: "An account could not be moved away from its parking address{lines}. Set its address in Atlassian admin, then " +
			"press *Resume*.",
		workflow.StopAltered: "The plan or its approvals in the database are not those that people approved ({note}). Somebody changed the " +
			"database. Run `countersign audit verify`, cancel this batch and ask again.",
		workflow.StopOtherOrg: "The settings name another organisation than the plan. Cancel this batch and ask again.",
	}
}

// stopWords returns the sentences that tell why a batch is paused. A cause without an entry goes by
// its name.
func stopWords(s workflow.Stop) string {
	words, ok := stopCauses()[s.Cause]
	switch {
	case s.Cause == workflow.StopPerson:
		words = mention(s.By.ID) + " paused it{lines}."
	case !ok:
		words = sentence(quoted(string(s.Cause), causeText))
	}
	if !strings.Contains(words, "{lines}") { // behind what happened, and before what to do
		first, rest, _ := strings.Cut(words+" ", ". ")
		words = strings.TrimSpace(first + "{lines}. " + rest)
	}
	rows := ""
	if len(s.Rows) > 0 {
		rows = " (" + plural(len(s.Rows), "line ", "lines ") + lines(s.Rows) + ")"
	}
	note := quoted(s.Note, reasonText)
	if note == "" { // of an earlier build, or not known
		words = strings.NewReplacer(" ({note})", "", ": {note}.", ".", "1 of the first {note} changes failed", "one of the first changes failed",
			" for {note}", "", " within {note}", " in time", "{note} changes", "too many changes", "{note}", "too many changes failed").Replace(words)
	}
	if note == "1" {
		words = strings.NewReplacer("1 of the first {note} changes", "the first change", "{note} changes failed in a row", "a change failed").Replace(words)
	}
	count := "Some changes have been"
	if n := len(s.Rows); n > 0 {
		count = many(n, "change has been", "changes have been")
	}
	return strings.NewReplacer("{note}", note, "{lines}", rows, "{rows}", count).Replace(words)
}

// mayResume returns the sentence that names who may let a paused batch go on.
func mayResume(b *workflow.Batch) string {
	return sentence(whoMay(workflow.WhoMay(workflow.ActResume, b)) + " can resume")
}

// plainState returns the state in two or three words, for notifications and lists.
func plainState(b *workflow.Batch) string {
	switch b.State {
	case workflow.Planning:
		return checking(b)
	case workflow.AwaitingApproval:
		return "waiting for approval"
	case workflow.Empty:
		return "no row can run"
	default:
		switch {
		case ranOut(b) && b.Over:
			return "ending, its time is over"
		case ranOut(b):
			return "ending, its approval expired"
		case b.Waiting():
			return "approved, starts later"
		case b.Cancelling():
			return "being cancelled"
		case withdrawn(b):
			return "withdrawn"
		}
		return string(b.State)
	}
}
