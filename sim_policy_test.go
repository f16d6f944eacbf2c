package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// What Slack and the organisation have for the settings to name.
const (
	simLoud   = "S0LOUD"   // whose requests need more approvals where a rule says so
	simOncall = "S0ONCALL" // the emergency group

	simFinance = "Finance"
	simGlass   = "Break-Glass"
)

// simRules are the settings of approval as the simulator knows them. The service gets a copy.
type simRules struct {
	approvals int
	rules     []workflow.Rule // as they stand in the settings; the simulator reads them by itself
	protect   []string
	perDay    workflow.PerDay
	emergency string
	accounts  map[string]string
}

// drawRules draws settings; of four, one has a number of approvals and nothing else.
func drawRules(rng *rand.Rand) *simRules {
	r := &simRules{approvals: 1 + rng.IntN(2)}
	if rng.IntN(4) == 0 {
		return r
	}
	some := func(odds int) bool { return rng.IntN(odds) == 0 }
	one := func(words ...string) string { return words[rng.IntN(len(words))] }
	rule := func(w workflow.When, allow bool) {
		r.rules = append(r.rules, workflow.Rule{When: w, Approvals: 1 + rng.IntN(3), Allow: allow})
	}
	if over := rng.IntN(5); some(3) {
		rule(workflow.When{ChangesOver: &over}, false)
	}
	if over := 2 + rng.IntN(8); some(4) {
		rule(workflow.When{ChangesOver24h: &over}, false)
	}
	if some(3) {
		rule(workflow.When{Actions: []workflow.ActionName{workflow.ActionName(one("deactivate", "activate"))}}, false)
	}
	if some(2) {
		rule(workflow.When{Accounts: []string{one("@vip.example", "@New.example", "group:"+simFinance, "group:"+simGlass)}}, false)
	}
	if some(3) {
		rule(workflow.When{Requesters: []string{one(simHugo, simLoud)}}, false)
	}
	switch rng.IntN(4) {
	case 0:
		rule(workflow.When{OrgAdmins: true}, true)
	case 1:
		rule(workflow.When{OrgAdmins: true, Actions: []workflow.ActionName{workflow.Rename}}, true)
	}
	for _, entry := range []string{
		"P2@old.example", "712020:acc-05", "group:" + strings.ToUpper(simGlass), "group:" + simFinance, hiddenAddress(0),
	} {
		if some(5) {
			r.protect = append(r.protect, entry)
		}
	}
	if some(4) {
		r.perDay.All = 4 + rng.IntN(6)
	}
	if some(4) {
		r.perDay.Requester = 3 + rng.IntN(5)
	}
	if some(2) {
		r.emergency = simOncall
	}
	r.accounts = map[string]string{simDean: "712020:acc-16"}
	if some(3) {
		r.accounts[simHana] = "712020:acc-01"
	}
	if some(4) {
		r.accounts[simCarl] = "712020:acc-07"
	}
	return r
}

// put writes them into the settings of the service.
func (r *simRules) put(cfg *Config) {
	cfg.Approval.Approvals, cfg.Approval.Rules = r.approvals, slices.Clone(r.rules)
	cfg.Protect, cfg.Limits.PerDay, cfg.Emergency = slices.Clone(r.protect), r.perDay, r.emergency
	cfg.People.Accounts = r.accounts
}

// changeSettings starts the service with other settings: what waits for approval was planned by the old ones.
func (l *life) changeSettings() {
	next := drawRules(l.rng)
	if l.rng.IntN(2) == 0 { // a limit that stays is one that can be held to the end
		next.perDay = l.rules.perDay
	}
	l.restartWith(next)
}

// tighten starts the service with settings that have something against a batch that waits for approval.
func (l *life) tighten(number int64) {
	next := *l.rules
	next.protect, next.rules = slices.Clone(next.protect), slices.Clone(next.rules)
	ctx := context.Background()
	b, err := l.db().Batch(ctx, number)
	if err != nil {
		l.violated("read #%d: %v", number, err)
		return
	}
	changes, err := l.db().Changes(ctx, number, 0, 0)
	if err != nil {
		l.violated("list the rows of #%d: %v", number, err)
		return
	}
	p := l.planOf(b, changes)
	if len(p.rows) == 0 {
		return
	}
	c := p.rows[l.rng.IntN(len(p.rows))]
	var groups []string
	for _, row := range p.rows {
		groups = append(groups, p.groups[row.AccountID]...)
	}
	var known []string // groups that the check asked about, for a rule
	for _, r := range next.rules {
		for _, entry := range r.When.Accounts {
			if name, is := strings.CutPrefix(entry, "group:"); is && slices.Contains(groups, name) {
				known = append(known, entry)
			}
		}
	}
	switch n := l.rng.IntN(9); {
	case n < 6 && len(known) > 0:
		next.protect = append(next.protect, known...)
	case n < 4 && len(groups) > 0:
		next.protect = append(next.protect, "group:"+l.oneOf(groups...))
	case n < 2:
		next.protect = append(next.protect, l.oneOf(c.AccountID, strings.ToUpper(c.OldEmail)))
	case n < 3 && c.NewEmail != "":
		next.protect = append(next.protect, c.NewEmail)
	case n < 5:
		next.rules = append(next.rules, workflow.Rule{
			When: workflow.When{Actions: []workflow.ActionName{c.Action}}, Approvals: 2 + l.rng.IntN(2),
		})
	case n < 6:
		next.accounts = maps.Clone(next.accounts)
		if next.accounts == nil {
			next.accounts = map[string]string{}
		}
		next.accounts[l.oneOf(b.Requester.ID, simAlex, simBeth)] = c.AccountID
	case n < 7:
		next.rules = slices.DeleteFunc(next.rules, func(r workflow.Rule) bool { return r.Allow })
	default:
		next.perDay.All = 1 + l.rng.IntN(4)
	}
	l.restartWith(&next)
}

// restartWith stops the service and starts it with these settings.
func (l *life) restartWith(next *simRules) {
	l.tale.Stops++
	l.halt("asked to")
	time.Sleep(l.while(20 * time.Second))
	l.tell("the service is started with other settings: %+v", *next)
	l.rules = next
	if !l.bad.keeps {
		next.put(l.cfg)
		if l.bad.settings != nil {
			l.bad.settings(l.cfg)
		}
	}
	l.cast.ruled(next)
	l.tale.Resettled++
	l.boot(-1)
}

// simWorld is what Slack and the settings were like from a moment on.
type simWorld struct {
	from   time.Time
	people map[string]workspace.Person
	groups map[string][]string
	rules  *simRules
}

// sound says whether somebody's account may do anything at all.
func (w *simWorld) sound(id string) bool {
	p := w.people[id]
	return p.ID != "" && !p.Deleted && !p.IsBot && !p.IsRestricted
}

// admin says whether people.admins has somebody, directly or in the group.
func (w *simWorld) admin(id string) bool {
	return id == simDean || slices.Contains(w.groups[simAdmins], id)
}

// approver says whether somebody is entitled to approve.
func (w *simWorld) approver(id string) bool {
	return w.sound(id) && w.admin(id) && w.people[id].Email != ""
}

// asker says whether somebody is entitled to ask.
func (w *simWorld) asker(id string) bool {
	return w.sound(id) && (w.admin(id) || slices.Contains(w.groups[simHelpdesk], id))
}

func (w *simWorld) email(id string) string { return strings.ToLower(w.people[id].Email) }

// owns says whether a change is about somebody's own account, or gives their address away.
func (w *simWorld) owns(id string, c workflow.Change) bool {
	mine := w.email(id)
	return w.rules.accounts[id] == c.AccountID ||
		mine != "" && (mine == strings.ToLower(c.OldEmail) || mine == strings.ToLower(c.NewEmail))
}

// protects says whether the settings forbid everything about a change.
func (w *simWorld) protects(c workflow.Change, groups []string) bool {
	return slices.ContainsFunc(w.rules.protect, func(entry string) bool {
		if name, is := strings.CutPrefix(entry, "group:"); is {
			return slices.ContainsFunc(groups, func(g string) bool { return strings.EqualFold(g, name) })
		}
		return entry == c.AccountID || strings.EqualFold(entry, c.OldEmail) || strings.EqualFold(entry, c.NewEmail)
	})
}

// simPlan is what a batch is about, for the rules.
type simPlan struct {
	batch   *workflow.Batch
	rows    []workflow.Change
	groups  map[string][]string // account → the groups that it is in
	ranked  map[string]bool     // accounts of organisation admins
	earlier int                 // changes of the same people before that surely count
}

// applies holds the conditions of a rule against some of the rows. The numbers are of the whole plan.
func (w *simWorld) applies(when workflow.When, p *simPlan, rows []workflow.Change) bool {
	some := func(ok func(workflow.Change) bool) bool { return slices.ContainsFunc(rows, ok) }
	b := p.batch
	return (when.ChangesOver == nil || len(p.rows) > *when.ChangesOver) &&
		(when.ChangesOver24h == nil || len(p.rows)+p.earlier > *when.ChangesOver24h) &&
		(when.Actions == nil || some(func(c workflow.Change) bool { return slices.Contains(when.Actions, c.Action) })) &&
		(when.Accounts == nil || some(func(c workflow.Change) bool { return among(when.Accounts, c, p.groups[c.AccountID]) })) &&
		(when.Requesters == nil || slices.ContainsFunc(when.Requesters, func(entry string) bool {
			members := append([]string{entry}, w.groups[entry]...)
			return slices.Contains(members, b.Requester.ID) || slices.Contains(members, b.Author.ID)
		})) &&
		(!when.OrgAdmins || some(func(c workflow.Change) bool { return p.ranked[c.AccountID] }))
}

// among says whether a change is about one of the domains or groups.
func among(entries []string, c workflow.Change, groups []string) bool {
	return slices.ContainsFunc(entries, func(entry string) bool {
		if name, is := strings.CutPrefix(entry, "group:"); is {
			return slices.Contains(groups, name)
		}
		entry = strings.ToLower(entry)
		return strings.HasSuffix(strings.ToLower(c.OldEmail), entry) || strings.HasSuffix(strings.ToLower(c.NewEmail), entry)
	})
}

// lets says whether a rule lets a change happen to an organisation admin's account.
func (w *simWorld) lets(p *simPlan, c workflow.Change) bool {
	return slices.ContainsFunc(w.rules.rules, func(r workflow.Rule) bool {
		return r.Allow && r.When.OrgAdmins && w.applies(r.When, p, []workflow.Change{c})
	})
}

// urgent says whether the batch is an emergency: of the group, with a reason of its own.
func (w *simWorld) urgent(b *workflow.Batch) bool {
	return w.rules.emergency != "" && slices.Contains(w.groups[w.rules.emergency], b.Requester.ID) && b.Reason != "" &&
		(b.Follows == 0 || b.Link == workflow.LinkRest)
}

// moment are the worlds between two moments: most often one. Where it was another one in between, what was read of which
// cannot be known, so that everything is taken as it was in the best of them.
type moment []simWorld

func (m moment) some(ok func(*simWorld) bool) bool {
	return slices.ContainsFunc(m, func(w simWorld) bool { return ok(&w) })
}

func (m moment) always(ok func(*simWorld) bool) bool {
	return len(m) > 0 && !m.some(func(w *simWorld) bool { return !ok(w) })
}

// address is somebody's, "" unless it was one and the same all the time.
func (m moment) address(id string) string {
	if len(m) == 0 || !m.always(func(w *simWorld) bool { return w.email(id) == m[0].email(id) }) {
		return ""
	}
	return m[0].email(id)
}

// need is how many people the settings of the moment ask for at least. With plain, emergencies have no say.
func (m moment) need(p *simPlan, plain bool) int {
	least := 100
	for _, each := range m {
		same := slices.DeleteFunc(slices.Clone(m), func(w simWorld) bool { return w.rules != each.rules })
		n := each.rules.approvals
		for _, r := range each.rules.rules {
			if same.always(func(w *simWorld) bool { return w.applies(r.When, p, p.rows) }) {
				n = max(n, r.Approvals)
			}
		}
		if !plain && same.some(func(w *simWorld) bool { return w.urgent(p.batch) }) {
			n = 1
		}
		least = min(least, n)
	}
	return least
}

// between are the worlds from one moment to another, both included.
func (c *cast) between(from, until time.Time) moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out moment
	for i, w := range c.worlds {
		if !w.from.After(until) && (i+1 == len(c.worlds) || !c.worlds[i+1].from.Before(from)) {
			out = append(out, w)
		}
	}
	return out
}

// legitimate holds a batch for which calls were seen against the clicks that the simulator saw, the people as the workspace
// had them at these moments, and the settings that the service was started with: whether any click was one after which it
// could be approved.
func (l *life) legitimate(b *workflow.Batch, changes []workflow.Change) {
	p := l.planOf(b, changes)
	var why []string
	found := false
	l.mu.Lock()
	clicks := slices.Clone(l.clicks)
	l.mu.Unlock()
	clicks = slices.DeleteFunc(clicks, func(c simClick) bool {
		return c.action != "approve" || c.batch != b.Number || c.digest != b.Digest || c.digest == "" || c.at.After(b.Approved)
	})
	for _, last := range clicks {
		if b.Approved.Sub(last.at) > deciding {
			continue
		}
		p.earlier = l.earlier(b, last.at)
		if why = l.wrongAt(p, clicks, last); len(why) == 0 {
			found = true
			break
		}
	}
	switch {
	case found:
	case len(why) == 0:
		l.violated("#%d ran with 0 approvals of 1: nobody clicked when it was approved, %s", b.Number, b.Approved.Sub(l.began))
	default:
		l.violated("#%d ran, and at its approval (%s): %s", b.Number, b.Approved.Sub(l.began), strings.Join(why, "; "))
	}
	l.ownInMany(p)
	if !b.Resumed.IsZero() {
		l.wentOnWell(p, clicks)
	}
}

// wentOnWell holds the last Resume or Retry failed of a batch, if calls were seen after it, against the settings and people
// of then. What others asked for meanwhile has no say in it.
func (l *life) wentOnWell(p *simPlan, approvals []simClick) {
	b := p.batch
	l.mu.Lock()
	clicks, later := slices.Clone(l.clicks), map[int]bool{}
	for _, c := range l.calls {
		if c.batch == b.Number && c.at.After(b.Resumed) {
			later[c.row] = true
		}
	}
	l.mu.Unlock()
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
		m := l.cast.between(c.at, b.Resumed)
		why = nil
		if has, need := l.approvers(p, approvals, m), m.need(p, false); len(has) < need {
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
			l.tale.WentOn++
			return
		}
	}
	l.violated("#%d went on at %s: %s", b.Number, b.Resumed.Sub(l.began), strings.Join(why, "; "))
}

// planOf is what a batch is about: the rows with steps, and what the organisation knows of their accounts.
func (l *life) planOf(b *workflow.Batch, changes []workflow.Change) *simPlan {
	p := &simPlan{batch: b, groups: map[string][]string{}, ranked: map[string]bool{}}
	names := map[string]string{}
	for _, g := range l.org.Groups() {
		names[g.ID] = g.Name
	}
	for _, c := range changes {
		if len(c.Steps) == 0 {
			continue
		}
		p.rows = append(p.rows, c)
		a, _ := l.org.Account(c.AccountID)
		p.ranked[a.ID] = a.OrgAdmin
		p.groups[a.ID] = nil
		for _, id := range a.Groups {
			p.groups[a.ID] = append(p.groups[a.ID], names[id])
		}
	}
	return p
}

// wrongAt says what forbids that the last click approved the batch.
func (l *life) wrongAt(p *simPlan, clicks []simClick, last simClick) (why []string) {
	b := p.batch
	m := l.cast.between(last.at, b.Approved)
	wrong := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	has := l.approvers(p, clicks, m)
	if need := m.need(p, false); len(has) < need {
		wrong("%d approvals of %d: %v of %d clicks", len(has), need, has, len(clicks))
	} else if plain := m.need(p, true); len(has) < plain {
		l.tale.Urgent++
		if left := l.untoldOfEmergency(b); len(left) > 0 {
			wrong("it took %d approvals of %d as an emergency, and %v were not told", len(has), plain, left)
		}
	} else if plain > l.least() {
		l.tale.Raised++
	}
	if !m.some(func(w *simWorld) bool { return w.asker(b.Requester.ID) }) {
		wrong("%s, who asked, may not ask", b.Requester.ID)
	}
	for _, c := range p.rows {
		switch {
		case m.always(func(w *simWorld) bool { return w.protects(c, p.groups[c.AccountID]) }):
			wrong("line %d (%s, %s to %s) is protected", c.Row, c.AccountID, c.OldEmail, c.NewEmail)
		case p.ranked[c.AccountID] && !m.some(func(w *simWorld) bool { return w.lets(p, c) }):
			wrong("line %d (%s) is an organisation admin", c.Row, c.AccountID)
		}
		for _, who := range slices.Compact([]string{b.Requester.ID, b.Author.ID}) {
			if m.always(func(w *simWorld) bool { return w.owns(who, c) }) {
				wrong("line %d (%s) is the own account of %s, who asked", c.Row, c.AccountID, who)
			}
		}
	}
	return append(why, l.overBudget(p, m, last.at)...)
}

// least is the least number of approvals that any settings of this life ask for.
func (l *life) least() int {
	n := 100
	for _, w := range l.cast.between(l.began, time.Now()) {
		n = min(n, w.rules.approvals)
	}
	return n
}

// approvers are the different people whose approvals count at a moment: the service says so, a click of theirs on the digest
// was seen, they were entitled when they clicked and still are, they are neither who asked nor have an address of theirs,
// and none of it is about their own account.
func (l *life) approvers(p *simPlan, clicks []simClick, m moment) []string {
	b := p.batch
	asked := l.cast.between(b.Created.Add(-2*time.Minute), b.Created)
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
			return c.who == a.ID && l.cast.between(c.at, until).some(entitled)
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

// overBudget says whether the batch would touch more accounts in a day than the settings of the moment allow, by the calls
// that were seen before.
func (l *life) overBudget(p *simPlan, m moment, at time.Time) (why []string) {
	b := p.batch
	most := func(of func(workflow.PerDay) int) int {
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
		l.mu.Lock()
		for _, c := range l.calls {
			if c.batch != 0 && c.batch != b.Number && c.at.Before(at) && counts(c.batch) {
				all[c.account] = true
			}
		}
		l.mu.Unlock()
		before := len(all)
		for _, c := range p.rows {
			all[c.AccountID] = true
		}
		if limit > 0 && len(all) > limit && len(all) > before {
			why = append(why, fmt.Sprintf("%d accounts in a day of %s, and %d were touched before and %d are allowed", len(all),
				whose, before, limit))
		}
	}
	count("all", most(func(d workflow.PerDay) int { return d.All }), func(int64) bool { return true })
	count(b.Requester.ID, most(func(d workflow.PerDay) int { return d.Requester }), func(n int64) bool {
		return l.askedBy[n] == b.Requester.ID
	})
	return why
}

// earlier counts changes of the same people that surely count for changes_over_24h: calls for them were seen before, and
// they were done.
func (l *life) earlier(b *workflow.Batch, at time.Time) int {
	rows := map[string]bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		key := fmt.Sprint(c.batch, "/", c.row)
		if c.batch != 0 && c.batch != b.Number && c.at.Before(at) && l.done[key] &&
			(l.askedBy[c.batch] == b.Requester.ID || l.askedBy[c.batch] == b.Author.ID) {
			rows[key] = true
		}
	}
	return len(rows)
}

// ownInMany looks for accounts that are somebody's own in a batch of more than one. Whose an account is may be known from
// ten minutes before, so that only who was an admin with that address all the time until it was planned counts.
func (l *life) ownInMany(p *simPlan) {
	b := p.batch
	if b.Rows < 2 {
		return
	}
	m := l.cast.between(b.Created.Add(-11*time.Minute), b.Planned)
	for _, c := range p.rows {
		for _, who := range everybody() {
			if m.always(func(w *simWorld) bool { return w.admin(who) && w.owns(who, c) }) {
				l.violated("#%d ran with %d rows, and line %d (%s) is the own account of %s", b.Number, b.Rows, c.Row,
					c.AccountID, who)
			}
		}
	}
}

// withinDay counts the accounts that calls were made for in all of a life, which is shorter than a day: no more than the
// largest number that its settings allowed, if they always had one.
func (l *life) withinDay() {
	m := l.cast.between(l.began, time.Now())
	each, most := 0, 0
	for _, w := range m {
		each, most = max(each, w.rules.perDay.Requester), max(most, w.rules.perDay.All)
	}
	limited := m.always(func(w *simWorld) bool { return w.rules.perDay.All > 0 })
	eachLimited := m.always(func(w *simWorld) bool { return w.rules.perDay.Requester > 0 })
	all, by := map[string]bool{}, map[string]map[string]bool{}
	l.mu.Lock()
	for _, c := range l.calls {
		if c.batch == 0 {
			continue
		}
		who := l.askedBy[c.batch]
		if all[c.account] = true; by[who] == nil {
			by[who] = map[string]bool{}
		}
		by[who][c.account] = true
	}
	l.mu.Unlock()
	if limited && len(all) > most {
		l.violated("%d accounts were touched in a day, and %d are allowed", len(all), most)
	}
	for who, accounts := range by {
		if eachLimited && len(accounts) > each {
			l.violated("%d accounts were touched in a day for %s, and %d are allowed", len(accounts), who, each)
		}
	}
}

// untoldOfEmergency are the admins who were not told of an emergency: of those who were admins all the time since it was
// asked for, and could be told.
func (l *life) untoldOfEmergency(b *workflow.Batch) (left []string) {
	m := l.cast.between(b.Created.Add(-time.Minute), time.Now())
	for _, who := range everybody() {
		if !m.always(func(w *simWorld) bool { return w.admin(who) && !w.people[who].Deleted }) {
			continue
		}
		key := fmt.Sprintf("batch/%d/direct/emergency/%s", b.Number, who)
		if !slices.ContainsFunc(l.slack.Messages(l.slack.OpenDM(who), ""), func(m workspace.Message) bool {
			return keyOf(m.Metadata) == key
		}) {
			left = append(left, who)
		}
	}
	return left
}

// remembers notes who asked for the batches and what is done, to hold the calls against.
func (l *life) remembers(batches []*workflow.Batch) {
	for _, b := range batches {
		changes, err := l.db().Changes(context.Background(), b.Number, 0, 0, workflow.ChangeDone)
		if err != nil {
			l.violated("list what is done of #%d: %v", b.Number, err)
		}
		l.mu.Lock()
		l.askedBy[b.Number] = b.Requester.ID
		for _, c := range changes {
			l.done[fmt.Sprint(b.Number, "/", c.Row)] = true
		}
		l.mu.Unlock()
	}
}
