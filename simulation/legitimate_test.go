package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// legitimate holds a batch for which calls were seen against the clicks that the simulator saw, the people as the workspace
// had them at these moments, and the settings that the service was started with: whether any click was one after which it
// could be approved.
func (s *scenario) legitimate(b *workflow.Batch, changes []workflow.Change) {
	if b.Link == workflow.LinkReturn { // approved with what it takes back
		first, err := s.db().Batch(context.Background(), b.Follows)
		if err != nil {
			s.violated("load what #%d takes back: %v", b.Number, err)
			return
		}
		planned, err := s.db().Changes(context.Background(), first.Number, 0, 0)
		if err != nil {
			s.violated("load what #%d takes back: %v", b.Number, err)
			return
		}
		s.takesBack(b, first, changes, planned)
		b, changes = first, planned
	}
	p := s.planOf(b, changes)
	var why []string
	found := false
	s.mu.Lock()
	clicks := slices.Clone(s.clicks)
	s.mu.Unlock()
	clicks = slices.DeleteFunc(clicks, func(c simClick) bool {
		return c.action != "approve" || c.batch != b.Number || c.digest != b.Digest || c.digest == "" || c.at.After(b.Approved)
	})
	for _, last := range clicks {
		if b.Approved.Sub(last.at) > deciding {
			continue
		}
		p.earlier = s.earlier(b, last.at)
		if why = s.wrongAt(p, clicks, last); len(why) == 0 {
			found = true
			break
		}
	}
	switch {
	case found:
	case len(why) == 0:
		s.violated("#%d ran with 0 approvals of 1: nobody clicked when it was approved, %s", b.Number, b.Approved.Sub(s.began))
	default:
		s.violated("#%d ran, and at its approval (%s): %s", b.Number, b.Approved.Sub(s.began), strings.Join(why, "; "))
	}
	s.ownInMany(p)
	if !b.Resumed.IsZero() {
		s.wentOnWell(p, clicks)
	}
}

// wentOnWell holds the last Resume or Retry failed of a batch, if calls were seen after it, against the settings and people
// of then. What others asked for meanwhile has no say in it.
func (s *scenario) wentOnWell(p *simPlan, approvals []simClick) {
	b := p.batch
	s.mu.Lock()
	clicks, later := slices.Clone(s.clicks), map[int]bool{}
	for _, c := range s.calls {
		if c.batch == b.Number && c.at.After(b.Resumed) {
			later[c.row] = true
		}
	}
	s.mu.Unlock()
	if len(later) == 0 {
		return
	}
	p.earlier = 0
	why := []string{"nobody clicked"}
	for _, c := range clicks {
		if c.batch != b.Number || c.action != "resume" && c.action != "retry_failed" || c.at.After(b.Resumed) ||
			b.Resumed.Sub(c.at) > deciding {
			continue
		}
		m := s.actors.between(c.at, b.Resumed)
		why = nil
		if has, need := s.approvers(p, approvals, m), m.need(p, false); len(has) < need {
			why = append(why, fmt.Sprintf("%d approvals of %d: %v", len(has), need, has))
		}
		for _, row := range p.rows {
			switch {
			case !later[row.Row]:
			case m.always(func(w *simWorld) bool { return w.protects(row, p.groups[row.AccountID]) }):
				why = append(why, fmt.Sprintf("line %d (%s) is protected", row.Row, row.AccountID))
			case p.ranked[row.AccountID] && !m.some(func(w *simWorld) bool { return w.lets(p, row) }):
				why = append(why, fmt.Sprintf("line %d (%s) is an organisation admin", row.Row, row.AccountID))
			}
		}
		if len(why) == 0 {
			s.stats.WentOn++
			return
		}
	}
	s.violated("#%d went on at %s: %s", b.Number, b.Resumed.Sub(s.began), strings.Join(why, "; "))
}

// planOf is what a batch is about: the rows with steps, and what the organisation knows of their accounts.
func (s *scenario) planOf(b *workflow.Batch, changes []workflow.Change) *simPlan {
	p := &simPlan{batch: b, groups: map[string][]string{}, moved: map[int][]string{}, ranked: map[string]bool{}}
	names := map[string]string{}
	for _, g := range s.org.Groups() {
		names[g.ID] = g.Name
	}
	for _, c := range changes {
		if len(c.Steps) == 0 {
			continue
		}
		p.rows = append(p.rows, c)
		a, _ := s.org.Account(c.AccountID)
		p.ranked[a.ID] = a.OrgAdmin
		p.groups[a.ID] = nil
		for _, id := range a.Groups {
			p.groups[a.ID] = append(p.groups[a.ID], names[id])
		}
		for _, step := range c.Steps {
			for field := range step.Set.Keys() {
				if _, id, is := strings.Cut(string(field), "group:"); is && names[id] != "" {
					p.moved[c.Row] = append(p.moved[c.Row], strings.ToLower(names[id]))
				}
			}
		}
	}
	return p
}

// wrongAt says what forbids that the last click approved the batch.
func (s *scenario) wrongAt(p *simPlan, clicks []simClick, last simClick) (why []string) {
	b := p.batch
	m := s.actors.between(last.at, b.Approved)
	wrong := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	has := s.approvers(p, clicks, m)
	if need := m.need(p, false); len(has) < need {
		wrong("%d approvals of %d: %v of %d clicks", len(has), need, has, len(clicks))
	} else if plain := m.need(p, true); len(has) < plain {
		s.stats.Urgent++
		if left := s.untoldOfEmergency(b); len(left) > 0 {
			wrong("it took %d approvals of %d as an emergency, and %v were not told", len(has), plain, left)
		}
	} else if plain > s.least() {
		s.stats.Raised++
	}
	if !m.some(func(w *simWorld) bool { return w.asker(b.Requester.ID) }) {
		wrong("%s, who asked, may not ask", b.Requester.ID)
	}
	for _, c := range p.rows {
		switch {
		case m.always(func(w *simWorld) bool { return w.protects(c, p.groups[c.AccountID]) }):
			wrong("line %d (%s, %s to %s) is protected", c.Row, c.AccountID, c.OldEmail(), c.NewEmail())
		case p.ranked[c.AccountID] && !m.some(func(w *simWorld) bool { return w.lets(p, c) }):
			wrong("line %d (%s) is an organisation admin", c.Row, c.AccountID)
		}
		for _, who := range slices.Compact([]string{b.Requester.ID, b.Author.ID}) {
			if m.always(func(w *simWorld) bool { return w.owns(who, c) }) {
				wrong("line %d (%s) is the own account of %s, who asked", c.Row, c.AccountID, who)
			}
		}
	}
	if s.wentBack {
		return why
	}
	return append(why, s.overBudget(p, m, last.at)...)
}

// least is the least number of approvals that any settings of this scenario ask for.
func (s *scenario) least() int {
	n := 100
	for _, w := range s.actors.between(s.began, time.Now()) {
		n = min(n, w.rules.approvals)
	}
	return n
}

// approvers are the different people whose approvals count at a moment: the service says so, a click of theirs on the digest
// was seen, they were entitled when they clicked and still are, they are neither who asked nor have an address of theirs,
// and none of it is about their own account.
func (s *scenario) approvers(p *simPlan, clicks []simClick, m moment) []string {
	b := p.batch
	asked := s.actors.between(b.Created.Add(-2*time.Minute), b.Created)
	var taken []string // addresses
	for _, who := range []string{b.Requester.ID, b.Author.ID} {
		taken = append(taken, m.address(who))
	}
	taken = append(taken, asked.address(b.Requester.ID))
	var out []string
	for _, a := range b.Approvers() {
		entitled := func(w *simWorld) bool { return w.approver(a.ID) }
		clicked := slices.ContainsFunc(clicks, func(c simClick) bool {
			until := c.at.Add(deciding)
			if until.After(b.Approved) {
				until = b.Approved
			}
			return c.who == a.ID && s.actors.between(c.at, until).some(entitled)
		})
		address := m.address(a.ID)
		own := slices.ContainsFunc(p.rows, func(c workflow.Change) bool {
			return m.always(func(w *simWorld) bool { return w.owns(a.ID, c) })
		})
		if a.ID == b.Requester.ID || a.ID == b.Author.ID || !clicked || !m.some(entitled) || own ||
			address != "" && slices.Contains(taken, address) {
			continue
		}
		taken = append(taken, address)
		out = append(out, a.ID)
	}
	return out
}

// overBudget reports whether the batch would touch more accounts in a day than the settings of the moment allow, by the calls
// that were seen before.
func (s *scenario) overBudget(p *simPlan, m moment, at time.Time) (why []string) {
	b := p.batch
	most := func(of func(policy.PerDay) int) int {
		n := 0
		for _, w := range m {
			if of(w.rules.perDay) == 0 {
				return 0
			}
			n = max(n, of(w.rules.perDay))
		}
		return n
	}
	count := func(whose string, limit int, counts func(batch int64) bool) {
		all := map[string]bool{}
		s.mu.Lock()
		for _, c := range s.calls {
			if c.batch != 0 && c.batch != b.Number && c.at.Before(at) && counts(c.batch) {
				all[c.touches()] = true
			}
		}
		s.mu.Unlock()
		before := len(all)
		for _, c := range p.rows {
			all[c.Touches()] = true
		}
		if limit > 0 && len(all) > limit && len(all) > before {
			why = append(why, fmt.Sprintf("%d accounts in a day of %s, and %d were touched before and %d are allowed", len(all),
				whose, before, limit))
		}
	}
	count("all", most(func(d policy.PerDay) int { return d.All }), func(int64) bool { return true })
	count(b.Requester.ID, most(func(d policy.PerDay) int { return d.Requester }), func(n int64) bool {
		return s.askedBy[n] == b.Requester.ID
	})
	return why
}

// earlier counts changes of the same people that surely count for changes_over_24h: calls for them were seen before, and
// they were done.
func (s *scenario) earlier(b *workflow.Batch, at time.Time) int {
	rows := map[string]bool{}
	if s.wentBack { // of what was forgotten nothing counts
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		key := fmt.Sprint(c.batch, "/", c.row)
		if c.batch != 0 && c.batch != b.Number && c.at.Before(at) && s.done[key] &&
			(s.askedBy[c.batch] == b.Requester.ID || s.askedBy[c.batch] == b.Author.ID) {
			rows[key] = true
		}
	}
	return len(rows)
}

// ownInMany looks for accounts that are somebody's own in a batch of more than one. Whose an account is may be known from
// ten minutes before, so that only who was an admin with that address all the time until it was planned counts.
func (s *scenario) ownInMany(p *simPlan) {
	b := p.batch
	if b.Rows < 2 {
		return
	}
	m := s.actors.between(b.Created.Add(-11*time.Minute), b.Planned)
	for _, c := range p.rows {
		for _, who := range everybody() {
			if m.always(func(w *simWorld) bool { return w.admin(who) && w.owns(who, c) }) {
				s.violated("#%d ran with %d rows, and line %d (%s) is the own account of %s", b.Number, b.Rows, c.Row,
					c.AccountID, who)
			}
		}
	}
}

// withinDay counts the accounts that calls were made for in all of a scenario, which is shorter than a day: no more than the
// largest number that its settings allowed, if they always had one.
func (s *scenario) withinDay() {
	m := s.actors.between(s.began, time.Now())
	each, most := 0, 0
	for _, w := range m {
		each, most = max(each, w.rules.perDay.Requester), max(most, w.rules.perDay.All)
	}
	limited := m.always(func(w *simWorld) bool { return w.rules.perDay.All > 0 })
	eachLimited := m.always(func(w *simWorld) bool { return w.rules.perDay.Requester > 0 })
	all, by := map[string]bool{}, map[string]map[string]bool{}
	s.mu.Lock()
	for _, c := range s.calls {
		if c.batch == 0 {
			continue
		}
		who := s.askedBy[c.batch]
		if all[c.touches()] = true; by[who] == nil {
			by[who] = map[string]bool{}
		}
		by[who][c.touches()] = true
	}
	s.mu.Unlock()
	if limited && len(all) > most {
		s.violated("%d accounts were touched in a day, and %d are allowed", len(all), most)
	}
	for who, accounts := range by {
		if eachLimited && len(accounts) > each {
			s.violated("%d accounts were touched in a day for %s, and %d are allowed", len(accounts), who, each)
		}
	}
}

// untoldOfEmergency are the admins who were not told of an emergency: of those who were admins all the time since it was
// asked for, and could be told.
func (s *scenario) untoldOfEmergency(b *workflow.Batch) (left []string) {
	m := s.actors.between(b.Created.Add(-time.Minute), time.Now())
	for _, who := range everybody() {
		if !m.always(func(w *simWorld) bool { return w.admin(who) && !w.people[who].Deleted }) {
			continue
		}
		key := fmt.Sprintf("batch/%d/direct/emergency/%s", b.Number, who)
		if !slices.ContainsFunc(s.slack.Messages(s.slack.OpenDM(who), ""), func(m workspace.Message) bool {
			return keyOf(m.Metadata) == key
		}) {
			left = append(left, who)
		}
	}
	return left
}

// remembers notes who asked for the batches and what is done, to hold the calls against.
func (s *scenario) remembers(batches []*workflow.Batch) {
	for _, b := range batches {
		changes, err := s.db().Changes(context.Background(), b.Number, 0, 0, workflow.ChangeDone)
		if err != nil {
			s.violated("list what is done of #%d: %v", b.Number, err)
		}
		s.mu.Lock()
		s.askedBy[b.Number] = b.Requester.ID
		for _, c := range changes {
			s.done[fmt.Sprint(b.Number, "/", c.Row)] = true
		}
		s.mu.Unlock()
	}
}
