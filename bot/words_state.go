package bot

import (
	"fmt"

	"github.com/countersign/countersign/workflow"
)

// ended says in a sentence what happened to a batch that is past its decision: by whom, when and why.
func ended(b *workflow.Batch) string {
	switch b.State {
	case workflow.Approved:
		if ranOut(b) {
			return ranOutWords
		}
		if b.Cancelling() {
			return "Being cancelled by " + mention(b.Ending.By.ID) + "."
		}
		return "*Approved*; it starts by itself."
	case workflow.Running:
		if ranOut(b) {
			return ranOutWords
		}
		if b.Cancelling() {
			return "Being cancelled by " + mention(b.Ending.By.ID) + ": calls in flight finish, the rest is skipped."
		}
		return "*Running* since " + moment(b.Started) + "; progress is in the thread."
	case workflow.Paused:
		if ranOut(b) {
			return ranOutWords
		}
		if b.Cancelling() {
			return "Being cancelled by " + mention(b.Ending.By.ID) + ": what is under way is brought to its end."
		}
		return "*Paused* " + moment(b.Stop.At) + ": " + stopWords(b.Stop) + " " + mayResume(b)
	case workflow.Done:
		return "*Done* " + moment(b.Ended) + "; the results are in the thread."
	case workflow.Rejected:
		if e := ending(b); e != nil {
			return withReason(fmt.Sprintf("*Rejected* by %s %s", mention(e.By.ID), moment(e.At)), e.Reason)
		}
		return "*Rejected* " + moment(b.Ended) + "."
	case workflow.Expired:
		return "*Expired* " + moment(b.Ended) + ": nobody decided in time."
	case workflow.Cancelled:
		return cancelled(b)
	case workflow.Empty:
		return "*Nothing in it can run.* The thread says why."
	case workflow.AwaitingApproval:
		return "Waiting for approval."
	default:
		return "Being checked."
	}
}

// ranOutWords are those for a run that ends because it took longer than its approval lasts.
const ranOutWords = "*Its approval has run out* (approval.finish_within): calls in flight finish, and what is left is " +
	"asked for anew."

// ranOut says whether a run is being ended because of that.
func ranOut(b *workflow.Batch) bool { return b.Cancelling() && b.Ending.How == workflow.Done }

// parkedWords name the rows whose accounts may show a parking address, "" when there are none. Once the batch has ended
// nobody but people can put them right.
func parkedWords(b *workflow.Batch) string {
	if len(b.Parked) == 0 {
		return ""
	}
	word := "Line " + lines(b.Parked) + ": the account may show a parking address (countersign-park-…) just now"
	if b.State.Open() {
		return word + "."
	}
	return word + ". Set its address by hand, in Atlassian; the results say which one it is."
}

// ending is who ended the batch early. A rejection is a decision, too, so that it is found even where no ending was
// written.
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
	by := "me"
	if e.By.ID != "" && e.By.ID != workflow.Bot {
		by = mention(e.By.ID)
	}
	s := withReason(fmt.Sprintf("*%s* by %s %s", word, by, moment(e.At)), reason)
	if !b.Started.IsZero() {
		s += " What had been done by then stays done; the results are in the thread."
	}
	return s
}

// withdrawn says whether the requester took the batch back before anybody decided.
func withdrawn(b *workflow.Batch) bool {
	return b.State == workflow.Cancelled && b.Ending != nil && b.Ending.Reason == "withdrawn"
}

func withReason(s, reason string) string {
	if reason == "" {
		return s + "."
	}
	return s + ": " + quoted(reason, reasonText)
}

// stopWords says why a batch is paused.
func stopWords(s workflow.Stop) string {
	with := func(words string) string {
		if s.Note != "" {
			words += " (" + quoted(s.Note, reasonText) + ")"
		}
		if len(s.Rows) > 0 {
			words += ", line " + lines(s.Rows)
		}
		return words + "."
	}
	switch s.Cause {
	case workflow.StopPerson:
		return with("by " + mention(s.By.ID))
	case workflow.StopCanary:
		return with("one of the first changes failed")
	case workflow.StopInARow:
		return with("too many changes failed in a row")
	case workflow.StopPercent:
		return with("too large a part of the changes failed")
	case workflow.StopKeyRefused:
		return with("Atlassian refused the key; no row was used up. Put the key right, then resume")
	case workflow.StopUnknown:
		return with("the outcome of some calls could not be read back for a quarter of an hour; it keeps trying")
	case workflow.StopUnavailable:
		return with("Atlassian could not be reached")
	case workflow.StopLateStart:
		return with("it did not run for longer than approval.start_within; look whether it is still wanted")
	case workflow.StopStuck:
		return with("an account could not be brought away from its parking address; look at it in Atlassian")
	case workflow.StopAltered:
		return with("its plan or its approvals are not what people approved, so somebody has changed the database; have " +
			"`countersign audit verify` run, then cancel it and ask again")
	case workflow.StopOtherOrg:
		return with("it was planned for another organisation than the settings name now; cancel it and ask again")
	default:
		return with(quoted(string(s.Cause), causeText))
	}
}

// mayResume says who may let a paused batch go on.
func mayResume(b *workflow.Batch) string {
	if b.Stop.ByBot() {
		return "An admin other than the requester may resume it."
	}
	return "An admin may resume it."
}

// plainState is the state in two or three words, for notifications and lists.
func plainState(b *workflow.Batch) string {
	switch b.State {
	case workflow.Planning:
		return checking(b)
	case workflow.AwaitingApproval:
		return "waiting for approval"
	case workflow.Empty:
		return "nothing in it can run"
	default:
		switch {
		case ranOut(b):
			return "ends, its approval ran out"
		case b.Cancelling():
			return "being cancelled"
		case withdrawn(b):
			return "withdrawn"
		}
		return string(b.State)
	}
}
