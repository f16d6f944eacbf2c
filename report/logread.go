package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

const (
	// logTime bounds one reading of the log; what is left is read with the next report.
	logTime = 20 * time.Minute
	// logKept is how far the log goes back (Atlassian: 180 days).
	logKept = 180 * 24 * time.Hour
	// logOverlap is how much is read again where the cursor is lost: events show late, and those that
	// are known already stay.
	logOverlap = 7 * 24 * time.Hour
	// logAskedAgain is how long a plan without the log is believed to be so.
	logAskedAgain = 30 * 24 * time.Hour
	// refusedFor is how long the log must have been refused to be believed missing: until the night after
	// the first refusal. One that passes leaves no night out.
	refusedFor = 20 * time.Hour
)

// readLog reads what the organisation's own log has shown since it was last read, writes down what of
// it can explain a change, and learns which keys are ours. That it cannot be read is no failure of the
// report: said, as a sentence for today, is "" where all was read. The error is the database's.
func readLog(ctx context.Context, from Sources, now time.Time) (said string, err error) {
	if from.Log == nil {
		return "", nil
	}
	reading, err := from.Logbook.LogReading(ctx)
	if err != nil || reading.State == LogMissing && now.Sub(reading.Asked) < logAskedAgain {
		return "", err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, logTime, fmt.Errorf("reading Atlassian's log took over %s", logTime))
	defer cancel()
	r := &logReader{Sources: from, reading: reading, now: now}
	failed, err := r.read(bounded)
	if err != nil || ctx.Err() != nil {
		return "", cmp.Or(ctx.Err(), err)
	}
	if err := r.learn(ctx); err != nil {
		return "", err
	}
	switch {
	case failed == nil:
		return "", nil
	case errors.Is(failed, workflow.ErrNoLog):
		return r.refused(ctx, LogMissing)
	case errors.Is(failed, workflow.ErrKeyRefused), errors.Is(failed, workflow.ErrKeyScoped):
		return r.refused(ctx, LogRefused)
	default:
		return "Atlassian's log could not be read to its end (" + why(failed) + "); what it explains comes with the next report.", nil
	}
}

// logReader is one reading of the log.
type logReader struct {
	Sources
	reading LogReading
	now     time.Time
	kinds   map[string]meaning
	keyed   map[string]bool // accounts of which a key did something
}

// refused writes down that the log was refused. Whether the plan has none, the key may not read it or
// something passes is known the night after: until then what was read before is believed to come again.
func (r *logReader) refused(ctx context.Context, state LogState) (said string, err error) {
	r.reading.Asked = r.now
	if r.reading.Refused.IsZero() || r.reading.Refused.After(r.now) {
		r.reading.Refused = r.now
	}
	if r.now.Sub(r.reading.Refused) >= refusedFor {
		r.set(state)
	} else if r.reading.State == LogThere {
		said = "Atlassian refused to show its log; what it explains comes with the next report."
	}
	return said, r.Logbook.SaveLog(ctx, r.reading, nil)
}

func (r *logReader) set(state LogState) {
	if r.reading.Asked = r.now; r.reading.State != state {
		r.reading.State, r.reading.Since = state, r.now
	}
	if state == LogThere {
		r.reading.Refused = time.Time{}
	}
}

// read reads page after page, each written down with its cursor. failed is why it ended early, err
// what the database says.
func (r *logReader) read(ctx context.Context) (failed, err error) {
	kinds, failed := r.Log.LogKinds(ctx)
	if failed != nil {
		return failed, nil
	}
	r.kinds, r.keyed = map[string]meaning{}, map[string]bool{}
	for _, k := range kinds {
		if m, ok := understand(k); ok {
			r.kinds[k.ID] = m
		}
	}
	start, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for {
		asked := time.Now()
		page, failed := r.Log.LogPage(ctx, r.reading.Cursor, start)
		if errors.Is(failed, workflow.ErrLogCursor) && r.reading.Cursor != "" {
			r.reading.Cursor = ""
			continue
		}
		if failed != nil {
			return failed, nil
		}
		end := len(page.Events) == 0 || page.Next == "" || seen[page.Next]
		seen[page.Next] = true
		r.set(LogThere)
		r.reading.Cursor = page.Next
		if end {
			r.reading.Read = asked
		}
		if err := r.Logbook.SaveLog(ctx, r.reading, r.understood(page.Events)); err != nil || end {
			return nil, err
		}
	}
}

// start returns from when on the log is read where there is no cursor: at first from the oldest night
// on. What the log has lost since it was last read is a gap.
func (r *logReader) start(ctx context.Context) (time.Time, error) {
	oldest := r.now.Add(-logKept + time.Hour)
	if r.reading.Read.IsZero() {
		nights, err := r.Store.ListSnapshots(ctx, SnapshotQuery{Since: oldest})
		if err != nil || len(nights) == 0 {
			return r.now, err
		}
		return nights[len(nights)-1].At, nil
	}
	if r.reading.Read.Before(oldest) {
		r.reading.Gap = LogGap{From: r.reading.Read, To: oldest, Found: r.now}
		r.reading.Cursor = ""
	}
	if start := r.reading.Read.Add(-logOverlap); start.After(oldest) {
		return start, nil
	}
	return oldest, nil
}

// understood returns what of the events can explain a change, once for each account that one names.
func (r *logReader) understood(events []workflow.LogEvent) []workflow.Logged {
	var out []workflow.Logged
	for _, e := range events {
		m, ok := r.kinds[e.Kind]
		if !ok {
			continue
		}
		group := ""
		for _, o := range e.Objects {
			if isGroup(o) {
				group = cmp.Or(group, o.Name, o.ID)
			}
		}
		for _, o := range e.Objects {
			one := workflow.Logged{
				ID: e.ID, At: e.At, Kind: e.Kind, Account: o.ID, Fits: m.fits, Toward: m.toward, Actor: e.Actor, Group: group,
			}
			switch {
			case isGroup(o), o.ID == "" && o.Email == "":
				continue
			case o.ID == "":
				one.Email = workflow.AddressKey(o.Email)
			case e.Actor.TokenID != "":
				r.keyed[o.ID] = true
			}
			out = append(out, one)
		}
	}
	return out
}

func isGroup(o workflow.LogObject) bool { return o.Type == "group" || o.Type == "groups" }

// learn finds out which keys are ours, by what was read.
func (r *logReader) learn(ctx context.Context) error {
	keys := workflow.Keys{}
	var accounts []Subject
	for id := range r.keyed {
		accounts = append(accounts, Subject{ID: id})
	}
	for chunk := range slices.Chunk(accounts, comparedAtOnce) {
		trails, err := r.Logbook.Trails(ctx, chunk)
		if err != nil {
			return err
		}
		for _, trail := range trails {
			maps.Copy(keys, trail.LearnKeys())
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return r.Logbook.SaveKeys(ctx, keys, r.now)
}

// logNotes says what is to be said of the log and has not been: what a run after the moment found out.
func logNotes(reading LogReading, told time.Time) []string {
	var notes []string
	if reading.Since.After(told) {
		switch reading.State {
		case LogMissing:
			notes = append(notes, "Your Atlassian plan has no log of events, so only batches explain changes.")
		case LogRefused:
			notes = append(notes, "The Atlassian key may not read the organisation's log of events, so only batches explain changes.")
		}
	}
	if reading.Gap.Found.After(told) {
		notes = append(notes, fmt.Sprintf("Atlassian's log was last read on %s and keeps 180 days: from then to %s it explains nothing.",
			reading.Gap.From.UTC().Format(time.DateOnly), reading.Gap.To.UTC().Format(time.DateOnly)))
	}
	return notes
}
