package sandbox

import "github.com/countersign/countersign/sandbox/workspace"

// The people of the workspace and where they meet. Two may approve, one may ask, two may do
// nothing: a guest, and an administrator whose Slack account was switched off while the user group
// still lists her.
const (
	Alice = "U0ALICE"
	Bob   = "U0BOB"
	Hana  = "U0HANA"
	Gus   = "U0GUS"
	Dora  = "U0DORA"

	Admins   = "S0ITADMINS"
	Helpdesk = "S0HELPDESK"

	Requests = "C0REQUESTS"
	Reports  = "C0REPORTS"
	General  = "C0GENERAL"
)

// populate fills the workspace. Each person's direct messages with the app are open, as they are
// once somebody looked.
func populate(w *workspace.Workspace) {
	for _, person := range []workspace.Person{
		{ID: Alice, Name: "alice", RealName: "Alice Ahlgren", Email: "alice.ahlgren@" + oldDomain, IsAdmin: true},
		{ID: Bob, Name: "bob", RealName: "Bob Brennan", Email: "bob.brennan@" + oldDomain},
		{ID: Hana, Name: "hana", RealName: "Hana Kovar", Email: "hana.kovar@" + oldDomain},
		{ID: Gus, Name: "gus", RealName: "Gus Ferreira", Email: "gus@harbour-design.example", IsRestricted: true},
		{ID: Dora, Name: "dora", RealName: "Dora Dimitrov", Email: "dora.dimitrov@" + oldDomain, Deleted: true},
	} {
		person.TZ = "Europe/Berlin"
		w.AddPerson(person)
	}
	w.AddGroup(workspace.Group{ID: Admins, Handle: "it-admins", Name: "IT admins", Users: []string{Alice, Bob, Dora}})
	w.AddGroup(workspace.Group{ID: Helpdesk, Handle: "helpdesk", Name: "Helpdesk", Users: []string{Hana}})
	everyone := []string{Alice, Bob, Hana, Gus, Dora}
	for _, channel := range []workspace.Channel{
		{ID: Requests, Name: "account-requests", Private: true, BotMember: true, Members: everyone},
		{ID: Reports, Name: "account-reports", Private: true, BotMember: true, Members: []string{Alice, Bob, Hana}},
		{ID: General, Name: "general", Members: everyone},
	} {
		w.AddChannel(channel)
	}
	for _, person := range everyone {
		w.OpenDM(person)
	}
}
