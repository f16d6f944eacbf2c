package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/page"
)

// Sample is a file that the page offers one click away, made from the accounts of this sandbox.
type Sample = page.Sample

// movers is how many rows rename-domain.csv has.
const movers = 40

// Samples returns the sample files, made from the accounts as they were at the start.
func (s *Sandbox) Samples() []Sample { return slices.Clone(s.samples) }

// samples takes its accounts from different parts of the free ones, so that the files do not get
// into each other's way.
func (c *company) samples() []Sample {
	samples := []Sample{
		{
			Name:    "rename-domain.csv",
			Note:    fmt.Sprintf("%d people move from %s to %s", movers, oldDomain, newDomain),
			Content: c.renameDomain(c.free[:movers]),
		},
		{
			Name:    "rename-with-bad-rows.csv",
			Note:    "14 rows, most with something wrong: locked, taken, unknown, unreadable …",
			Content: c.renameWithBadRows(c.free[movers : movers+8]),
		},
		{
			Name:    "leavers.csv",
			Note:    "deactivates 8 accounts, with a message to each",
			Content: c.leavers(c.free[50:58]),
		},
		{
			Name:    "mixed-actions.csv",
			Note:    "seven actions in one file, from renames to API tokens",
			Content: c.mixedActions(c.free[60:66], c.free[66:70], c.inactive[:2]),
		},
		{
			Name:    "offboard.csv",
			Note:    "6 people leave: login, API tokens and groups in one go",
			Content: c.offboard(c.free[73:79]),
		},
		{
			Name:    "groups.csv",
			Note:    "joins and leaves groups; some are not to be changed here",
			Content: c.groupChanges(c.free[80:88]),
		},
		{
			Name:    "stay-behind.csv",
			Note:    fmt.Sprintf("all of %s moves, but for these 5", oldDomain),
			Content: c.stayBehind(c.free[95:100]),
			Text:    "migrate-domain " + oldDomain + " " + newDomain + " except",
		},
	}
	if rows := c.more[:min(len(c.more), largeFile)]; len(rows) > movers {
		samples = append(samples, Sample{
			Name:    fmt.Sprintf("rename-%d.csv", len(rows)),
			Note:    fmt.Sprintf("%d people move, at the pace that Atlassian allows", len(rows)),
			Content: c.renameDomain(rows),
		})
	}
	return samples
}

// largeFile is how many rows the sample file of a large company has at most.
const largeFile = 2000

func (c *company) offboard(who []organisation.Account) []byte {
	rows := [][]string{{"action", "email"}}
	for _, account := range who {
		rows = append(rows, []string{"offboard", account.Email})
	}
	return table(rows, ",", "\n")
}

// groupChanges has groups of every kind: ordinary ones, several in a cell, and three that are refused.
func (c *company) groupChanges(who []organisation.Account) []byte {
	rows := [][]string{{"action", "email", "group"}}
	for i, change := range [][2]string{
		{"group-add", finance},
		{"group-add", finance},
		{"group-add", confluenceUsers + ";" + finance},
		{"group-remove", jiraUsers},
		{"group-remove", jiraUsers},
		{"group-add", contractors},      // two groups have the name
		{"group-remove", allStaff},      // kept by a rule
		{"group-add", breakGlass + "2"}, // there is none
	} {
		rows = append(rows, []string{change[0], who[i].Email, change[1]})
	}
	return table(rows, ",", "\n")
}

func (c *company) stayBehind(who []organisation.Account) []byte {
	rows := [][]string{{"email", "why"}}
	for _, account := range who {
		rows = append(rows, []string{account.Email, "moves with the Oslo office in March"})
	}
	return table(rows, ",", "\n")
}

// renameDomain returns a file as a spreadsheet in a German or French office saves it: semicolons,
// CRLF, a column to ignore.
func (c *company) renameDomain(who []organisation.Account) []byte {
	rows := [][]string{{"Atlassian ID", "Current email", "New email", "Department"}}
	for _, account := range who {
		rows = append(rows, []string{account.ID, account.Email, onDomain(account.Email, newDomain), account.Profile.Department})
	}
	return table(rows, ";", "\r\n")
}

// renameWithBadRows has one of everything that can be wrong with a row, between some that are
// right.
func (c *company) renameWithBadRows(who []organisation.Account) []byte {
	visible, hidden := c.free[len(c.free)-1], c.free[len(c.free)-2]
	locked, done := c.scim[0], c.moved[0]
	local, _, _ := strings.Cut(who[5].Email, "@")
	unreadable := strings.ReplaceAll(onDomain(who[1].Email, newDomain), "@", "(at)")
	return table([][]string{
		{"account_id", "old_email", "new_email"},
		{who[0].ID, who[0].Email, onDomain(who[0].Email, newDomain)},
		{who[1].ID, who[1].Email, unreadable},                                                         // unreadable
		{"712020:00000000-0000-4000-8000-000000000000", "nobody@" + oldDomain, "nobody@" + newDomain}, // unknown
		{who[2].ID, who[2].Email, onDomain(who[2].Email, foreignDomain)},                              // unverified
		{visible.ID, visible.Email, onDomain(visible.Email, newDomain)},                               // taken
		{locked.ID, locked.Email, onDomain(locked.Email, newDomain)},                                  // SCIM
		{who[3].ID, who[3].Email, onDomain(who[3].Email, newDomain)},                                  // right
		{who[6].ID, who[6].Email, onDomain(who[6].Email, newDomain)},                                  // right
		{who[7].ID, who[7].Email, onDomain(who[7].Email, newDomain)},                                  // right
		{who[4].ID, who[4].Email, onDomain(who[4].Email, newDomain)},                                  // right, but for the next
		{who[4].ID, who[4].Email, "2." + onDomain(who[4].Email, newDomain)},                           // duplicate
		{done.ID, onDomain(done.Email, oldDomain), done.Email},                                        // done already
		{who[5].ID, who[5].Email, strings.ToUpper(local[:1]) + local[1:] + "@" + oldDomain},           // case only
		// taken, by an account that no search shows: known when it is tried, behind the ones that
		// go first, one at a time
		{hidden.ID, hidden.Email, onDomain(hidden.Email, newDomain)},
	}, ",", "\n")
}

func (c *company) leavers(who []organisation.Account) []byte {
	rows := [][]string{{"action", "email", "message"}}
	for i, account := range who {
		message := "Left the company"
		if i%3 == 2 {
			message = `"Contract ended; ask your manager, not the helpdesk"`
		}
		rows = append(rows, []string{"deactivate", account.Email, message})
	}
	return table(rows, ",", "\n")
}

func (c *company) mixedActions(who, others, inactive []organisation.Account) []byte {
	rows := [][]string{{"action", "account_id", "email", "new_email", "new_name", "group", "message"}}
	add := func(action string, account organisation.Account, address, name, group, message string) {
		rows = append(rows, []string{action, account.ID, account.Email, address, name, group, message})
	}
	for i, account := range who {
		if i < 4 {
			add("rename", account, onDomain(account.Email, newDomain), "", "", "")
		} else {
			add("deactivate", account, "", "", "", "On leave until further notice")
		}
	}
	for _, account := range inactive {
		add("activate", account, "", "", "", "")
	}
	add("set-name", others[0], "", others[0].Name+" (Oslo)", "", "")
	add("group-add", others[1], "", "", finance, "")
	add("suspend", others[2], "", "", "", "")
	add("revoke-tokens", others[3], "", "", "", "")
	return table(rows, ",", "\n")
}

// table joins cells that need no quotes, or have theirs already.
func table(rows [][]string, delimiter, end string) []byte {
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(strings.Join(row, delimiter) + end)
	}
	return []byte(text.String())
}

// suggestions returns the commands with accounts in them that are there, for the composer.
func (c *company) suggestions(command string) []page.Suggestion {
	rename, leaver, back, somebody, gone := c.free[70], c.free[71], c.inactive[2], c.free[72], c.free[79]
	_, family, _ := strings.Cut(somebody.Name, " ")
	suggested := func(words, text, note string) page.Suggestion {
		return page.Suggestion{Words: command + " " + words, Text: command + " " + text, Note: note}
	}
	return []page.Suggestion{
		suggested("help", "help", "what it can do"),
		suggested("new", "new", "a form for it: action, accounts or a file, reason"),
		suggested("rename <user> <new-email>", "rename "+rename.Email+" "+onDomain(rename.Email, newDomain), "change an address"),
		suggested("deactivate <user>… [-- message]", "deactivate "+leaver.Email+" -- Left the company", "block login everywhere"),
		suggested("activate <user>…", "activate "+back.Email, "let somebody in again"),
		suggested("offboard <user>…", "offboard "+gone.Email, "login, API tokens and groups of a leaver"),
		suggested("group add <group> <user>…", "group add "+finance+" "+rename.Email, "put people into a group"),
		suggested("migrate-domain <old> <new>", "migrate-domain "+oldDomain+" "+newDomain, "everybody on a domain"),
		suggested("find <text>", "find "+family, "who that is, and what may be changed"),
		suggested("domains", "domains", "the domains and whether each is verified"),
		suggested("batches", "batches", "recent batches"),
		suggested("report list", "report list", "the reports and when they run"),
	}
}
