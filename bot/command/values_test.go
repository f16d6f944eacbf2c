package command_test

import (
	"testing"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/workflow"
)

// The message with a file may name, as the action's command does, what rows lack: the site, the group,
// the products. What is no such value is the reason.
func TestNoteNamesWhatRowsLack(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		verb                          workflow.ActionName
		site, group, products, reason string
	}{
		"site group add main jira-users":                   {workflow.SiteGroupAdd, "main", "jira-users", "", ""},
		"site group add Main jira-users, new team":         {workflow.SiteGroupAdd, "main", "jira-users", "", "new team"},
		"please site-group-add main Jira users - new":      {workflow.SiteGroupAdd, "main", "Jira users", "", "new"},
		"site group remove \"main\" “Jira: all” reason: x": {workflow.SiteGroupRemove, "main", "Jira: all", "", "x"},
		"site group add jira-users":                        {workflow.SiteGroupAdd, "", "jira-users", "", ""},
		"site group add jira-users, new team":              {workflow.SiteGroupAdd, "", "jira-users", "", "new team"},
		"site group add, new team":                         {workflow.SiteGroupAdd, "", "", "", "new team"},
		"site group add":                                   {workflow.SiteGroupAdd, "", "", "", ""},
		"site create main":                                 {workflow.SiteCreate, "main", "", "", ""},
		"site create main\nnew starters":                   {workflow.SiteCreate, "main", "", "", "new starters"},
		"site create main products jira-software, new":     {workflow.SiteCreate, "main", "", "jira-software", "new"},
		"site create products jira-software":               {workflow.SiteCreate, "", "", "jira-software", ""},
		"site create new starters":                         {workflow.SiteCreate, "", "", "", "new starters"},
		"site delete main: left":                           {workflow.SiteDelete, "main", "", "", "left"},
		"site columns reset main":                          {workflow.SiteColumns, "main", "", "", ""},
		"invite to finance products jira-software":         {workflow.Invite, "", "finance", "jira-software", ""},
		"invite products confluence, new team":             {workflow.Invite, "", "", "confluence", "new team"},
		"invite to \"Jira users\" reason: new":             {workflow.Invite, "", "Jira users", "", "new"},
		"invite to our new Jira":                           {workflow.Invite, "", "", "", "to our new Jira"},
		"invite, they start on Monday":                     {workflow.Invite, "", "", "", "they start on Monday"},
		"invite":                                           {workflow.Invite, "", "", "", ""},
		"suspend main":                                     {workflow.Suspend, "", "", "", "main"},
	} {
		note := command.ParseNote(text)
		site, group, products := note.Values.Get(workflow.ColumnSite), note.Values.Get(workflow.ColumnGroup), note.Values.Get(workflow.ColumnProducts)
		if note.Verb != want.verb || site != want.site || group != want.group || products != want.products || note.Reason != want.reason {
			t.Errorf("%q: %q at site %q, group %q, products %q, reason %q; want %+v", text, note.Verb, site, group, products, note.Reason, want)
		}
	}
}
