package bot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

const (
	barLength    = 20
	adminsCalled = 50 // as many as a sentence can bear; a group is one mention
	// paceWindow is how far back the rate of a run looks, so that a pause does not spoil it for long.
	paceWindow = 2 * time.Minute
)

// thread is what the messages under a card are drawn from.
type thread struct {
	Batch   *workflow.Batch
	Summary workflow.Summary
	Admins  []string // ids of people and groups that may approve
	Holders []int64  // open batches that hold rows of this one
}

// others are the admins but for requester and author.
func (t thread) others() []string {
	return slices.DeleteFunc(slices.Clone(t.Admins), func(id string) bool {
		return id == t.Batch.Requester.ID || id == t.Batch.Author.ID
	})
}

// finished counts the changes of this run that have ended.
func (t thread) finished() int {
	return t.Summary.State(workflow.ChangeDone, workflow.ChangeFailed, workflow.ChangeSkipped)
}

func (t thread) message(part, text string) message {
	m := message{Text: text, Blocks: []slack.Block{section(part, text)}}
	id := fmt.Sprintf("%s-%d-r%d-%s", part, t.Batch.Number, t.Batch.Revision, fingerprint(m))
	m.Blocks = []slack.Block{section(id, text)}
	return m
}

func (t thread) name() string { return fmt.Sprintf("#%d", t.Batch.Number) }

// admins tells the admins of a card that waits for them, once.
func (t thread) admins() message {
	ids := t.others()
	text := fmt.Sprintf("%s waits for %s.", t.name(), many(t.Batch.Missing(), "approval", "approvals"))
	if len(ids) > 0 {
		text = mentions(ids[:min(len(ids), adminsCalled)]) + " " + text
	}
	return t.message("admins", text)
}

// empty says why nothing of a batch can run.
func (t thread) empty() message {
	text := "Nothing in " + t.name() + " can run"
	words := causes(t.Summary, workflow.ChangeBlocked, workflow.ChangeBad, workflow.ChangeUnchanged)
	if len(words) > 0 {
		text += ":\n• " + strings.Join(words, "\n• ")
	} else {
		text += "."
	}
	if s := t.remedy(); s != "" {
		text += "\n" + s
	}
	return t.message("empty", text)
}

// remedy says what to do about rows that cannot run.
func (t thread) remedy() string {
	all := t.Summary.State(workflow.ChangeBlocked, workflow.ChangeBad)
	only := func(code workflow.ReasonCode) bool {
		n := 0
		for _, g := range t.Summary.Groups {
			if g.State == workflow.ChangeBlocked && g.Code == code {
				n += g.Count
			}
		}
		return n == all
	}
	switch {
	case all == 0:
		return ""
	case only(workflow.ReasonCouldNotCheck):
		return "Press Check again on the card when Atlassian can be reached."
	case only(workflow.ReasonHeld):
		var names []string
		for _, n := range t.Holders {
			names = append(names, fmt.Sprintf("#%d", n))
		}
		if len(names) == 0 {
			names = []string{"the other batch"}
		}
		return "Wait for " + list(names) + ", then ask again."
	}
	return badRowsFile(t.Batch.Number) + " has the rows; put them right and send the file again."
}

// paused says why a run stopped and who may let it go on.
func (t thread) paused() message {
	b := t.Batch
	text := fmt.Sprintf(":double_vertical_bar: %s is paused: %s %s", t.name(), stopWords(b.Stop), mayResume(b))
	if b.Stop.ByBot() {
		ids := t.others() // who may resume it
		text += " " + mentions(ids[:min(len(ids), adminsCalled)])
	}
	return t.message("paused", text)
}

// progress is the one message that shows how far a run is.
func (t thread) progress(p pace) message {
	s := t.Summary
	done, failed := s.State(workflow.ChangeDone), s.State(workflow.ChangeFailed)
	unknown, skipped := s.State(workflow.ChangeUnknown), s.State(workflow.ChangeSkipped)
	left := s.State(workflow.ChangeReady, workflow.ChangeRunning)
	total := done + failed + unknown + skipped + left
	text := fmt.Sprintf("`%s` *%s* done · *%s* failed · *%s* left",
		bar(done+failed+skipped, total), number(done), number(failed), number(left))
	if unknown > 0 {
		text += fmt.Sprintf(" · *%s* not known yet", number(unknown))
	}
	if skipped > 0 {
		text += fmt.Sprintf(" · *%s* skipped", number(skipped))
	}
	switch t.Batch.State {
	case workflow.Running:
		if each, ok := p.rate(); ok {
			text += fmt.Sprintf(" · %s a minute", number(int(each*60+0.5)))
			if left > 0 && each > 0 {
				text += ", about " + roughly(time.Duration(float64(left+unknown)/each*float64(time.Second))) + " to go"
			}
		}
	default:
		text += " · " + plainState(t.Batch)
	}
	return t.message("progress", text)
}

// bar draws how much of the total is finished.
func bar(finished, total int) string {
	full := barLength
	if total > 0 {
		full = finished * barLength / total
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barLength-full)
}

// roughly is a duration as one says it.
func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return many(max(int(d.Round(time.Second).Seconds()), 1), "second", "seconds")
	case d < 2*time.Hour:
		return many(int(d.Round(time.Minute).Minutes()), "minute", "minutes")
	default:
		return many(int(d.Round(time.Hour).Hours()), "hour", "hours")
	}
}

// pace is how fast a run has been going lately.
type pace struct {
	seen []sample
}

type sample struct {
	at       time.Time
	finished int
}

func (p *pace) note(now time.Time, finished int) {
	p.seen = append(p.seen, sample{now, finished})
	for len(p.seen) > 2 && now.Sub(p.seen[0].at) > paceWindow {
		p.seen = p.seen[1:]
	}
}

// rate is in changes a second; ok is false as long as too little was seen.
func (p *pace) rate() (perSecond float64, ok bool) {
	if len(p.seen) < 2 {
		return 0, false
	}
	first, last := p.seen[0], p.seen[len(p.seen)-1]
	took := last.at.Sub(first.at).Seconds()
	if took < 1 || last.finished <= first.finished {
		return 0, false
	}
	return float64(last.finished-first.finished) / took, true
}

// end is the message that a run has ended: counts, and failures by cause with what to do. It mentions requester and
// approvers, once.
func (t thread) end() message {
	b := t.Batch
	ids := []string{b.Requester.ID}
	for _, p := range b.Approvers() {
		if !slices.Contains(ids, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	return t.message("end", fmt.Sprintf("%s %s is %s: %s", mentions(ids), t.name(), plainState(b), t.outcome()))
}

// outcome is what became of the changes: counts, and failures by cause with what to do.
func (t thread) outcome() string {
	s := t.Summary
	var counts []string
	for _, each := range []struct {
		state  workflow.ChangeState
		word   string
		always bool
	}{
		{workflow.ChangeDone, "done", true},
		{workflow.ChangeFailed, "failed", true},
		{workflow.ChangeUnchanged, "unchanged", false},
		{workflow.ChangeSkipped, "skipped", false},
		{workflow.ChangeBlocked, "blocked", false},
		{workflow.ChangeBad, "unreadable", false},
	} {
		if n := s.State(each.state); n > 0 || each.always {
			counts = append(counts, "*"+number(n)+"* "+each.word)
		}
	}
	groups := grouped(s, workflow.ChangeFailed)
	out := []string{strings.Join(counts, " · ")}
	for _, g := range groups[:min(len(groups), causesShown)] {
		cause, remedy := quoted(g.Code.Cause(), causeText), quoted(g.Code.Remedy(), causeText)
		out = append(out, fmt.Sprintf("• %s × %s: %s", number(g.Count), cause, remedy))
	}
	if len(groups) > causesShown {
		out = append(out, "• and others, see the results")
	}
	out = append(out, resultsFile(t.Batch.Number)+" has every row.")
	return strings.Join(out, "\n")
}
