package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

// compare holds the database against what the organisation and the workspace have recorded, once all is over.
func (s *scenario) compare() {
	ctx := context.Background()
	batches, err := s.db().List(ctx, 0)
	if err != nil {
		s.violated("list the batches: %v", err)
		return
	}
	effects := s.attribute()
	s.remembers(batches)
	if !s.wentBack { // what was forgotten cannot be counted
		s.withinDay()
	}
	s.reportedWhole()
	s.returned(batches)
	for _, b := range batches {
		changes, err := s.db().Changes(ctx, b.Number, 0, 0)
		if err != nil {
			s.violated("list the rows of #%d: %v", b.Number, err)
		}
		if s.forgotten[b.Number] {
			s.violated("#%d has the number of a batch that the database has forgotten and the channel shows", b.Number)
		}
		s.comesFrom(b)
		if s.called(b.Number) && (!s.relived[b.Number] || !b.Approved.IsZero()) { // else the calls are forgotten
			s.legitimate(b, changes)
		}
		if len(b.Dropped) > 0 {
			s.stats.Lost++
		}
		s.stats.Batches++
		s.stats.Approvals += len(b.Approvers())
		if b.Run > 1 {
			s.stats.Retried++
		}
		if b.Link == workflow.LinkUndo {
			s.stats.Undone++
		}
		// An undone row of this batch is not looked at as it is now, but as this batch's effects left it.
		for _, c := range changes {
			s.stats.Rows++
			if slices.Contains([]workflow.ReasonCode{
				workflow.ReasonProtected, workflow.ReasonOrgAdmin, workflow.ReasonOwnAccount, workflow.ReasonOwnAlone,
				workflow.ReasonDayLimit,
			}, c.Reason.Code) {
				s.stats.Guarded++
			}
			s.compareRow(b, c, effects[[2]int64{b.Number, int64(c.Row)}])
		}
		if len(changes) != b.Rows && b.Digest != "" {
			s.violated("#%d has %d of %d rows", b.Number, len(changes), b.Rows)
		}
	}
	for _, v := range slices.Concat(s.org.Violations(), s.site.Violations(), s.scim.Violations()) {
		if !strings.HasPrefix(v, "put account") {
			s.violated("Atlassian does not like: %s", v)
		}
	}
	for _, v := range s.slack.Violations() {
		forgot := v.Rule == "retry_after_ignored" && s.stats.Cuts > 0 // who was killed has forgotten what it was asked
		tried := s.refusedBlocks != nil && strings.Contains(v.Detail, "unsupported type")
		if !forgot && !tried {
			s.violated("Slack does not like %s: %s: %s", v.Where, v.Rule, v.Detail)
		}
	}
	s.withinLimit()
	audited, err := s.db().Audit(ctx)
	if err != nil || !audited.Whole() {
		s.violated("the log does not agree with the tables: %v, %v", audited.Findings, err)
	}
}

// probes is how many calls of a life may be refused while the gate finds out which operations share a limit, and because a
// reset without seconds is probed before it is due.
const probes = 15

// withinLimit counts the calls that were over the announced limit, but for those answers that are faults, and those of the
// first minute after a power cut: what was known of the limit may not have been written down.
func (s *scenario) withinLimit() {
	over := map[string]int{}
	for _, c := range s.org.Calls() {
		forgotten := slices.ContainsFunc(s.reborn, func(at time.Time) bool {
			return !c.At.Before(at.Add(-time.Millisecond)) && c.At.Sub(at) < time.Minute
		})
		if c.Status == http.StatusTooManyRequests && !forgotten {
			over[c.Method+" "+c.Path]++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for call, n := range over {
		total += max(n-s.throttle[call], 0)
	}
	for call, n := range over {
		if total > probes && n > s.throttle[call] {
			s.wrong = append(s.wrong, fmt.Sprintf("%d calls were over the limit that is announced: %s", n-s.throttle[call], call))
		}
	}
}

// attribute says for each row which effects were its own, in order. An effect belongs to the last call before it that asks
// for it. No effect may have done what was so already, or to an account that was not as the plan says.
func (s *scenario) attribute() map[[2]int64][]organisation.Effect {
	all := s.allEffects()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[[2]int64][]organisation.Effect{}
	for _, e := range all {
		s.stats.Effects++
		var of *simCall
		for i := range s.calls {
			c := &s.calls[i]
			if (c.account == e.AccountID || ofNobody(c.kind)) && sameKind(c.kind, e.Kind) && !c.at.After(e.At.Add(time.Millisecond)) &&
				(c.to == "" || strings.EqualFold(c.to, e.To)) {
				of = c
			}
		}
		wrong := ""
		switch {
		case of == nil:
			wrong = "nobody was seen to ask for it"
		case of.to != "" && strings.EqualFold(e.From, e.To) && !s.shared(*of):
			wrong = "it was so already"
		case e.Kind == "email" && of.from != "" && !strings.EqualFold(e.From, of.from) && !of.stays() && !s.strayed(e.AccountID, e.At):
			wrong = "the plan expects " + of.from
		}
		if wrong != "" {
			s.wrong = append(s.wrong, fmt.Sprintf("the change of %s from %q to %q at %s: %s", e.AccountID, e.From, e.To,
				e.At.Sub(s.began), wrong))
		}
		if of != nil {
			key := [2]int64{of.batch, int64(of.row)}
			out[key] = append(out[key], e)
		}
	}
	return out
}

// stays reports whether a call was approved to keep an address that a return took away before it: then it finds another one.
func (c *simCall) stays() bool { return c.kind == "email" && strings.EqualFold(c.from, c.to) }

// sameKind reports whether a call had the effect; of calls that the simulator does not know it takes any that it knows as
// little.
func sameKind(call, effect string) bool {
	known := func(kind string) bool {
		return strings.HasPrefix(kind, "scim-") || slices.ContainsFunc(simWrites, func(w simWrite) bool { return w.kind == kind })
	}
	return call == effect || !known(call) && !known(effect)
}

// shared reports whether two batches were seen to be about to lock out the person of the call, or to let them in: a leaver must
// not wait, so that neither holds up the other. The caller holds mu.
func (s *scenario) shared(call simCall) bool { return call.kind != "email" && s.together[call.account] }

// strayed reports whether somebody else changed the account in the moments before, which can be too late to be noticed. The
// caller holds mu.
func (s *scenario) strayed(account string, at time.Time) bool {
	return slices.ContainsFunc(s.strays, func(stray simStray) bool {
		return stray.account == account && !stray.at.After(at.Add(time.Second)) && at.Sub(stray.at) < time.Minute
	})
}

// compareRow holds a row against what was done for it.
func (s *scenario) compareRow(b *workflow.Batch, c workflow.Change, effects []organisation.Effect) {
	s.mu.Lock()
	touched := slices.ContainsFunc(s.strays, func(stray simStray) bool { return stray.account == c.AccountID })
	touched = touched || c.Action != workflow.Rename && s.together[c.AccountID]
	s.mu.Unlock()
	says := fmt.Sprintf("#%d (%s), line %d is %s (%s) after %d effects", b.Number, b.State, c.Row, c.State, c.Reason.Code,
		len(effects))
	switch c.State {
	case workflow.ChangeDone:
		s.stats.Done++
	case workflow.ChangeFailed:
		s.stats.Failed++
	}
	if !c.State.Ended() && !b.State.Open() {
		s.violated("%s: it has not ended, and its batch has", says)
	}
	if s.relived[b.Number] {
		return
	}
	last := ""
	if len(effects) > 0 {
		last = effects[len(effects)-1].To
	}
	parked := strings.HasPrefix(last, "countersign-park-")
	done := c.State == workflow.ChangeDone
	stuck := c.Reason.Code == workflow.ReasonStuck
	switch {
	case done && len(effects) == 0 && !touched:
		s.violated("%s: it is done, and nothing was", says)
	case done && c.Action == workflow.Rename && last != "" && !strings.EqualFold(last, c.NewEmail()):
		s.violated("%s: the last effect was %q", says, last)
	case parked && !stuck && !touched:
		s.violated("%s: its account was left at its parking address", says)
	case done, touched, stuck, len(effects) == 0, inParts(c):
	case c.Action != workflow.Rename || !strings.EqualFold(last, c.OldEmail()):
		s.violated("%s: its account was left at %q", says, last)
	}
	if len(effects) > 1 && len(c.Steps) == 1 && !c.Back && !inParts(c) && !touched && !s.circled(b) {
		s.violated("%s", says)
	}
}

// inParts reports whether a row may have been done in part: it has several steps that do not belong together, or one of several
// calls.
func inParts(c workflow.Change) bool {
	tokens := slices.ContainsFunc(c.Steps, func(s workflow.Step) bool { return s.Action == workflow.RevokeTokens })
	return tokens || len(c.Steps) > 1 && c.Action != workflow.Rename
}

// called reports whether a call was seen for a batch.
func (s *scenario) called(batch int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.calls, func(c simCall) bool { return c.batch == batch })
}

// circled reports whether a batch exchanges addresses: then a row may be done and put back.
func (s *scenario) circled(b *workflow.Batch) bool {
	changes, err := s.db().Changes(context.Background(), b.Number, 0, 0)
	return err != nil || slices.ContainsFunc(changes, func(c workflow.Change) bool { return len(c.Steps) > 1 })
}

// comesFrom reports whether a batch is what somebody asked for, and its requester who did.
func (s *scenario) comesFrom(b *workflow.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wrong := func(format string, args ...any) { s.wrong = append(s.wrong, fmt.Sprintf(format, args...)) }
	var want string
	switch b.Link {
	case workflow.LinkUndo:
		want = "undo"
	case workflow.LinkAgain:
		want = "ask_again"
	case workflow.LinkRecheck:
		want = "check_again"
	case workflow.LinkRetry:
		want = "retry_failed"
	case workflow.LinkRest, workflow.LinkReturn:
		return // by the clock, and by what it takes back
	}
	if want != "" {
		if !slices.ContainsFunc(s.clicks, func(c simClick) bool {
			return c.who == b.Requester.ID && c.batch == b.Follows && c.action == want && s.meant(c)
		}) {
			wrong("#%d was made of #%d for %s, who did not click %s", b.Number, b.Follows, b.Requester.ID, want)
		}
		return
	}
	if b.Source.Kind == workflow.SourceFile {
		f, ok := s.files[b.Source.Message]
		if !ok || f.refused || f.who != b.Requester.ID && f.who != b.Author.ID || b.Rows != f.rows {
			wrong("#%d (%d rows, of %s) is not what was posted: %+v", b.Number, b.Rows, b.Requester.ID, f)
		}
		return
	}
	original, err := s.reader.Original(context.Background(), b.Number)
	if err != nil || !slices.ContainsFunc(s.commands, func(c simCommand) bool {
		return c.who == b.Requester.ID && c.text == string(original)
	}) {
		wrong("#%d of %s is not what was asked: %q, %v", b.Number, b.Requester.ID, original, err)
	}
}

// meant reports whether a click was on a card of the batch that has its number now. The caller holds mu.
func (s *scenario) meant(c simClick) bool {
	if c.digest == "" || !s.wentBack {
		return true
	}
	b, err := s.reader.Batch(context.Background(), c.batch)
	return err == nil && b.IsFor(c.digest)
}
