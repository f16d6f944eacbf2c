package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
)

// changeRoles is somebody gaining or losing a role, also between somebody's look at a card and their click.
func (s *scenario) changeRoles() {
	s.changeRole(s.oneOf(simAlex, simBeth, simCarl, simDean, simAlx2, simHana, simHugo))
}

// changeRole changes what somebody is or may do.
func (s *scenario) changeRole(who string) {
	switch s.rng.IntN(7) {
	case 0:
		s.tell("%s is deactivated, or comes back", who)
		s.actors.edit(s.t, func() error {
			return s.slack.UpdatePerson(who, func(p *workspace.Person) { p.Deleted = !p.Deleted })
		})
	case 1:
		s.tell("%s becomes a guest, or a member", who)
		s.actors.edit(s.t, func() error {
			return s.slack.UpdatePerson(who, func(p *workspace.Person) { p.IsRestricted = !p.IsRestricted })
		})
	case 2:
		address := s.oneOf("alex@work.example", "BETH@work.example", "hana@work.example", "hugo@work.example", "p6@old.example",
			"boss@vip.example", "", byID()[who].email, byID()[who].email)
		s.tell("%s has the address %q", who, address)
		s.actors.edit(s.t, func() error {
			return s.slack.UpdatePerson(who, func(p *workspace.Person) { p.Email = address })
		})
	case 3:
		s.join(s.oneOf(simLoud, simOncall), s.oneOf(simHana, simHugo, simAlex))
	default:
		group := simAdmins
		if byID()[who].asks {
			group = simHelpdesk
		}
		s.join(group, who)
	}
}

// join puts somebody into a user group, or takes them out.
func (s *scenario) join(group, who string) {
	s.tell("%s leaves or joins %s", who, group)
	s.actors.edit(s.t, func() error {
		var users []string
		for _, g := range s.slack.Groups() {
			if g.ID == group {
				users = g.Users
			}
		}
		if i := slices.Index(users, who); i >= 0 {
			users = slices.Delete(users, i, i+1)
		} else {
			users = append(users, who)
		}
		return s.slack.SetGroupMembers(group, users)
	})
}

// inBetween is a role that somebody loses, or settings that change, between the approvals of a batch, or between somebody's
// look at a card and their click.
func (s *scenario) inBetween(cards map[int64]workspace.Message) {
	for _, n := range slices.Sorted(maps.Keys(cards)) {
		m := cards[n]
		all := buttonsOf(m)
		if len(all) == 0 || all[0].action != "approve" {
			continue
		}
		people := []string{simAlex, simBeth, simCarl, simDean}
		s.rng.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
		if b, err := s.db().Batch(context.Background(), n); err == nil && b.Approvals > 1 {
			s.press(m, all[0], people[0])
			s.pass(s.while(10 * time.Second))
		}
		switch s.rng.IntN(5) {
		case 0, 1:
			s.tighten(n)
		case 2:
			s.changeRole(people[0])
		case 3:
			s.changeRole(s.oneOf(people[1], simHana, simHugo))
		default: // comes back, too, it may be
			s.join(simAdmins, people[0])
			if s.rng.IntN(3) == 0 {
				s.pass(s.while(4 * time.Second))
				s.press(m, all[0], people[1])
				s.join(simAdmins, people[0])
			}
		}
		s.pass(s.while(3 * time.Second))
		for _, each := range people[1:] {
			s.press(m, all[0], each)
			s.pass(s.while(5 * time.Second))
		}
		return
	}
}

// behind is somebody else changing an account in Atlassian.
func (s *scenario) behind() {
	a, ok := s.org.Account(s.account(s.rng.IntN(11)))
	if !ok {
		return
	}
	stray := simStray{account: a.ID, from: a.Email, at: time.Now()}
	if s.rng.IntN(3) == 0 {
		a.Status = map[string]string{"active": "inactive", "inactive": "active"}[a.Status]
	} else {
		a.Email = fmt.Sprintf("elsewhere%d@old.example", s.rng.IntN(1000))
	}
	stray.to = a.Email
	s.tell("somebody else changes %s: %s, %s", a.ID, a.Email, a.Status)
	s.mu.Lock()
	s.strays = append(s.strays, stray)
	s.mu.Unlock()
	if s.pushed(a) { // what a SCIM directory holds is changed there
		return
	}
	if err := s.org.Put(a); err != nil {
		s.t.Logf("seed %d: %v", s.seed, err)
	}
}
