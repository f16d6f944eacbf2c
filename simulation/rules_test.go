package simulation

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// What Slack and the organisation have for the settings to name.
const (
	simLoud   = "S0LOUD"   // whose requests need more approvals where a rule says so
	simOncall = "S0ONCALL" // the emergency group

	simFinance = "Finance"
	simTeam    = "Team" // whose members no setting names: who is in it changes
	simGlass   = "Break-Glass"
)

// simRules are the settings of approval as the simulator knows them. The service gets a copy.
type simRules struct {
	approvals int
	rules     []policy.Rule // as they stand in the settings; the simulator reads them by itself
	protect   []string
	perDay    policy.PerDay
	emergency string
	accounts  map[string]string
}

// drawRules draws settings; of four, one has a number of approvals and nothing else. about draws the rules about groups that
// accounts are added to or leave.
func drawRules(rng, about *rand.Rand) *simRules {
	r := &simRules{approvals: 1 + rng.IntN(2)}
	if rng.IntN(4) == 0 {
		return r
	}
	some := func(odds int) bool { return rng.IntN(odds) == 0 }
	one := func(words ...string) string { return words[rng.IntN(len(words))] }
	rule := func(w policy.When, allow bool) {
		r.rules = append(r.rules, policy.Rule{When: w, Approvals: 1 + rng.IntN(3), Allow: allow})
	}
	if over := rng.IntN(5); some(3) {
		rule(policy.When{ChangesOver: &over}, false)
	}
	if over := 2 + rng.IntN(8); some(4) {
		rule(policy.When{ChangesOver24h: &over}, false)
	}
	if some(3) {
		rule(policy.When{Actions: []workflow.ActionName{workflow.ActionName(one("deactivate", "activate"))}}, false)
	}
	if some(2) {
		rule(policy.When{Accounts: []string{one("@vip.example", "@New.example", "group:"+simFinance, "group:"+simGlass)}}, false)
	}
	if some(3) {
		rule(policy.When{Requesters: []string{one(simHugo, simLoud)}}, false)
	}
	switch rng.IntN(4) {
	case 0:
		rule(policy.When{OrgAdmins: true}, true)
	case 1:
		rule(policy.When{OrgAdmins: true, Actions: []workflow.ActionName{workflow.Rename}}, true)
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
	if about.IntN(2) == 0 {
		name := []string{simTeam, strings.ToUpper(simTeam), simFinance}[about.IntN(3)]
		r.rules = append(r.rules, policy.Rule{When: policy.When{Groups: []string{name}}, Approvals: 2 + about.IntN(2)})
	}
	if some(3) {
		r.accounts[simHana] = "712020:acc-01"
	}
	if some(4) {
		r.accounts[simCarl] = "712020:acc-07"
	}
	return r
}

// put writes them into the settings of the service.
func (r *simRules) put(cfg *settings.Config) {
	cfg.Approval.Approvals, cfg.Approval.Rules = r.approvals, slices.Clone(r.rules)
	cfg.Protect, cfg.Limits.PerDay, cfg.Emergency.Group = slices.Clone(r.protect), settings.PerDay(r.perDay), r.emergency
	cfg.People.Accounts = r.accounts
}

// changeSettings starts the service with other settings: what waits for approval was planned by the old ones.
func (s *scenario) changeSettings() {
	next := drawRules(s.rng, s.about)
	if s.rng.IntN(2) == 0 { // a limit that stays is one that can be held to the end
		next.perDay = s.rules.perDay
	}
	s.restartWith(next)
}

// tighten starts the service with settings that have something against a batch that waits for approval.
func (s *scenario) tighten(number int64) {
	next := *s.rules
	next.protect, next.rules = slices.Clone(next.protect), slices.Clone(next.rules)
	ctx := context.Background()
	b, err := s.db().Batch(ctx, number)
	if s.forgotten[number] { // its card stands, and the database knows nothing of it
		return
	}
	if err != nil {
		s.violated("read #%d: %v", number, err)
		return
	}
	changes, err := s.db().Changes(ctx, number, 0, 0)
	if err != nil {
		s.violated("list the rows of #%d: %v", number, err)
		return
	}
	p := s.planOf(b, changes)
	if len(p.rows) == 0 {
		return
	}
	c := p.rows[s.rng.IntN(len(p.rows))]
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
	switch n := s.rng.IntN(9); {
	case n < 6 && len(known) > 0:
		next.protect = append(next.protect, known...)
	case n < 4 && len(groups) > 0:
		next.protect = append(next.protect, "group:"+s.oneOf(groups...))
	case n < 2:
		next.protect = append(next.protect, s.oneOf(c.Touches(), strings.ToUpper(cmp.Or(c.OldEmail(), c.Touches()))))
	case n < 3 && c.NewEmail() != "":
		next.protect = append(next.protect, c.NewEmail())
	case n < 5:
		next.rules = append(next.rules, policy.Rule{
			When: policy.When{Actions: []workflow.ActionName{c.Action}}, Approvals: 2 + s.rng.IntN(2),
		})
	case n < 6:
		next.accounts = maps.Clone(next.accounts)
		if next.accounts == nil {
			next.accounts = map[string]string{}
		}
		next.accounts[s.oneOf(b.Requester.ID, simAlex, simBeth)] = cmp.Or(c.AccountID, s.account(0))
	case n < 7:
		next.rules = slices.DeleteFunc(next.rules, func(r policy.Rule) bool { return r.Allow })
	default:
		next.perDay.All = 1 + s.rng.IntN(4)
	}
	s.restartWith(&next)
}

// restartWith stops the service and starts it with these settings.
func (s *scenario) restartWith(next *simRules) {
	s.stats.Stops++
	s.halt("asked to")
	time.Sleep(s.while(20 * time.Second))
	s.tell("the service is started with other settings: %+v", *next)
	s.rules = next
	if !s.bad.keeps {
		next.put(s.cfg)
		if s.bad.settings != nil {
			s.bad.settings(s.cfg)
		}
	}
	s.actors.ruled(next)
	s.stats.Resettled++
	s.boot(-1)
}
