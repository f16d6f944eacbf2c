package bot

import (
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

const (
	barLength = 20
	// paceWindow is how far back the rate of a run looks, so that a pause does not spoil it for long.
	paceWindow = 2 * time.Minute
)

// progress is what the one message is drawn from that says how far a run is.
type progress struct {
	thread
	Outlook workflow.Outlook // as Atlassian's limits look; zero when not known
	Seen    pace             // as it was seen
	Waits   string           // what the run waits for, "" when for nothing
}

func (t progress) draw() message {
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
	if word := t.goes(left + unknown); word != "" {
		text += " · " + word
	}
	return t.message("progress", text)
}

// progressClosed stands where the progress of a run stood that was retried before its last count was shown.
func (t thread) progressClosed() message {
	return t.message("progress", fmt.Sprintf("This run has ended; %s has what became of every row. The retry counts below.",
		resultsFile(t.Batch.Number, max(run(t.Batch)-1, 1))))
}

// goes says how fast the run goes and how long it has to go, what it waits for, or how it ended.
func (t progress) goes(left int) string {
	b := t.Batch
	switch {
	case b.State == workflow.Paused:
		return "paused " + moment(b.Stop.At) + ": " + stopWords(b.Stop) + " " + mayResume(b)
	case b.State != workflow.Running, b.Cancelling():
		return plainState(b)
	case b.Retry != nil && !b.Retry.Checked:
		return "looks again at what failed"
	case t.Waits != "":
		return "waits: " + t.Waits
	case left == 0:
		return ""
	case t.Outlook.ToGo > 0:
		return perMinute(t.Outlook.PerMinute) + ", about " + roughly(t.Outlook.ToGo) + " to go"
	}
	each, ok := t.Seen.rate()
	if !ok {
		return ""
	}
	return perMinute(each*60) + ", about " + roughly(time.Duration(float64(left)/each*float64(time.Second))) + " to go"
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
