package simulation

import (
	"cmp"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
)

// The people of a simulated scenario. All ids are equally long, so that one can be put in another's place on the wire.
const (
	simAlex = "U0ALEX" // admins by the group
	simBeth = "U0BETH"
	simCarl = "U0CARL"
	simDean = "U0DEAN" // an admin by name
	simAlx2 = "U0ALX2" // Alex once more, under a second account with the same address
	simHide = "U0HIDE" // an admin whose address Slack does not show
	simGust = "U0GUST" // a guest, and Dora, who was deactivated: the group of admins lists both
	simDora = "U0DORA"
	simHana = "U0HANA" // may ask, by the group
	simHugo = "U0HUGO"
	simNils = "U0NILS" // nobody

	simAdmins   = "S0ADMINS"
	simHelpdesk = "S0HELPDESK"
	simRequests = "C0REQUESTS"
	simReports  = "C0REPORTS"
)

// actor is somebody with an account in Slack.
type actor struct {
	human string // who it is in truth
	email string
	guest, gone,
	admin, asks bool // as at the beginning; admin is membership in the group
}

func byID() map[string]actor {
	return map[string]actor{
		simAlex: {human: "alex", email: "alex@work.example", admin: true},
		simAlx2: {human: "alex", email: "Alex@Work.example", admin: true},
		simBeth: {human: "beth", email: "beth@work.example", admin: true},
		simCarl: {human: "carl", email: "carl@work.example", admin: true},
		simDean: {human: "dean", email: "dean@work.example"},
		simHide: {human: "hide", admin: true},
		simGust: {human: "gust", email: "gust@else.example", admin: true, guest: true},
		simDora: {human: "dora", email: "dora@work.example", admin: true, gone: true},
		simHana: {human: "hana", email: "hana@work.example", asks: true},
		simHugo: {human: "hugo", email: "hugo@work.example", asks: true},
		simNils: {human: "nils", email: "nils@work.example"},
	}
}

// everybody are all of them, in a fixed order.
func everybody() []string {
	return []string{
		simAlex, simAlx2, simBeth, simCarl, simDean, simHide, simGust, simDora, simHana, simHugo, simNils,
	}
}

// actors knows who was entitled to what, and when, from what was done to the workspace and from nothing else.
type actors struct {
	slack *workspace.Workspace

	mu     sync.Mutex
	worlds []simWorld // each until the next
}

func newActors(t *testing.T, slack *workspace.Workspace, rules *simRules) *actors {
	c := &actors{slack: slack, worlds: []simWorld{{rules: rules}}}
	all := byID()
	var admins, helpdesk []string
	for _, id := range everybody() {
		f := all[id]
		slack.AddPerson(workspace.Person{
			ID: id, Name: f.human, RealName: f.human + " " + id, Email: f.email, IsRestricted: f.guest, Deleted: f.gone,
		})
		if f.admin {
			admins = append(admins, id)
		}
		if f.asks {
			helpdesk = append(helpdesk, id)
		}
	}
	slack.AddGroup(workspace.Group{ID: simAdmins, Handle: "admins", Name: "Admins", Users: admins})
	slack.AddGroup(workspace.Group{ID: simHelpdesk, Handle: "helpdesk", Name: "Helpdesk", Users: helpdesk})
	slack.AddGroup(workspace.Group{ID: simLoud, Handle: "loud", Name: "Loud", Users: []string{simHana}})
	slack.AddGroup(workspace.Group{ID: simOncall, Handle: "oncall", Name: "On call", Users: []string{simHugo}})
	for _, channel := range []workspace.Channel{
		{ID: simRequests, Name: "requests", Private: true, BotMember: true, Members: everybody()},
		{ID: simReports, Name: "reports", Private: true, BotMember: true, Members: everybody()},
	} {
		slack.AddChannel(channel)
	}
	c.edit(t, func() error { return nil })
	return c
}

// edit does something to the workspace's people and groups, and notes what they are like from then on.
func (c *actors) edit(t *testing.T, do func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := do(); err != nil {
		t.Error(err)
	}
	c.changed(c.worlds[len(c.worlds)-1].rules)
}

// ruled notes that the settings are other ones from now on.
func (c *actors) ruled(rules *simRules) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed(rules)
}

// changed begins a new world. The caller holds mu.
func (c *actors) changed(rules *simRules) {
	w := simWorld{from: time.Now(), rules: rules, people: map[string]workspace.Person{}, groups: map[string][]string{}}
	for _, p := range c.slack.People() {
		w.people[p.ID] = p
	}
	for _, g := range c.slack.Groups() {
		w.groups[g.ID] = g.Users
	}
	if c.worlds[0].people == nil { // the first one begins now
		c.worlds = nil
	}
	c.worlds = append(c.worlds, w)
}

// wasAdmin reports whether somebody was entitled to approve at any moment of a time.
func (c *actors) wasAdmin(id string, from, until time.Time) bool {
	return c.between(from, until).some(func(w *simWorld) bool { return w.approver(id) })
}

// human is a name for whoever somebody is as far as anybody can know: their address, if it was the same all the time, and
// their account, if not.
func (c *actors) human(id string, from, until time.Time) string {
	return cmp.Or(c.between(from, until).address(id), id)
}

// restore makes everybody what they were at the beginning.
func (c *actors) restore(t *testing.T) {
	c.edit(t, func() error {
		var admins, helpdesk []string
		for _, id := range everybody() {
			f := byID()[id]
			if f.admin {
				admins = append(admins, id)
			}
			if f.asks {
				helpdesk = append(helpdesk, id)
			}
			err := c.slack.UpdatePerson(id, func(p *workspace.Person) {
				p.Deleted, p.IsRestricted, p.Email = f.gone, f.guest, f.email
			})
			if err != nil {
				return err
			}
		}
		if err := c.slack.SetGroupMembers(simAdmins, admins); err != nil {
			return err
		}
		if err := c.slack.SetGroupMembers(simLoud, []string{simHana}); err != nil {
			return err
		}
		if err := c.slack.SetGroupMembers(simOncall, []string{simHugo}); err != nil {
			return err
		}
		return c.slack.SetGroupMembers(simHelpdesk, helpdesk)
	})
}

// sameHuman reports whether two accounts in Slack are one person's.
func sameHuman(a, b string) bool { return a == b || byID()[a].human == byID()[b].human }
