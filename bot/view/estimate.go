package view

import (
	"fmt"
	"time"
)

// perMinute returns a rate as one says it.
func perMinute(n float64) string {
	if n < 1 {
		return "less than 1 a minute"
	}
	return fmt.Sprintf("%s a minute", number(int(n+0.5)))
}

// roughly returns a duration as one says it.
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

// Speed is how fast a run has been going recently.
type Speed struct {
	seen []sample
}

type sample struct {
	at       time.Time
	finished int
}

// Note takes in how many changes had ended at a moment.
func (p *Speed) Note(now time.Time, finished int) {
	p.seen = append(p.seen, sample{now, finished})
	for len(p.seen) > 2 && now.Sub(p.seen[0].at) > paceWindow {
		p.seen = p.seen[1:]
	}
}

// rate returns in changes a second; ok is false as long as too little was seen.
func (p *Speed) rate() (perSecond float64, ok bool) {
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

const (
	// paceWindow is how far back the rate of a run looks, so that a pause does not spoil it for
	// long.
	paceWindow = 2 * time.Minute
)
