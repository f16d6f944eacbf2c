//go:build contract

package atlassian_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox/contract"
	"github.com/countersign/countersign/sandbox/organisation"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/rs/zerolog"
)

// checkGroups makes every call about groups, refused ones included.
func checkGroups(t *testing.T, d *atlassian.Directory, o *organisation.Organisation) {
	ctx, group := t.Context(), o.Groups()[0]
	directory := workflow.Endpoint{Place: workflow.PlaceDirectory, Directory: group.DirectoryID}
	member := action.MemberOf(personID(5), group.DirectoryID)
	for _, kind := range []workflow.FactKind{action.KindGroup, action.KindGroupLeft} {
		fact := workflow.Fact{Kind: kind, AccountID: personID(5), Arg: group.ID, Endpoint: directory}
		if got, err := d.Read(ctx, fact); err != nil || got[fact][0].Get(workflow.GroupField(group.ID)) != workflow.GroupOut {
			t.Errorf("%s: %v, %v", kind, got, err)
		}
	}
	got, err := d.Read(ctx, action.GroupNamed("finance"), action.GroupNamed(group.ID), action.GroupsOf(personID(1)), member,
		action.Directories())
	if err != nil || len(got[action.GroupNamed(group.ID)]) != 1 || len(got[action.GroupsOf(personID(1))]) != 2 || len(got[member]) != 1 {
		t.Errorf("facts about groups: %v, %v", got, err)
	}
	call := func(op workflow.Operation, group string) error {
		_, err := d.Call(ctx, workflow.Call{
			Endpoint: directory, Operation: op, AccountID: personID(5), Args: workflow.Of(workflow.FieldID, group),
		})
		return err
	}
	for i, err := range []error{
		call(action.OpGroupAdd, group.ID), call(action.OpGroupAdd, group.ID), call(action.OpGroupRemove, group.ID),
		call(action.OpGroupRemove, group.ID), call(action.OpGroupAdd, "no-such-group"),
	} {
		if refused := i%2 == 1 || i == 4; (err != nil) != refused {
			t.Errorf("call %d about a group: %v", i+1, err)
		}
	}
}

// checkInvite makes every call about invitations, refused ones included.
func checkInvite(t *testing.T, d *atlassian.Directory, o *organisation.Organisation) {
	const jira = "ari:cloud:jira-software::site/1"
	ctx, group := t.Context(), o.Groups()[0]
	err := o.AddWorkspace(organisation.Workspace{ID: jira, Name: "one", Type: "Jira", TypeKey: "jira-software", URL: "https://one.example"})
	if err != nil {
		t.Fatal(err)
	}
	place := workflow.Endpoint{Place: workflow.PlaceDirectory}
	args := workflow.Of(workflow.FieldEmail, "a@new.example;b@new.example").With(workflow.FieldProducts, jira).
		With(workflow.FieldGroups, group.ID).With(workflow.FieldMessage, "Welcome")
	call := func(args workflow.Values) (workflow.Values, error) {
		return d.Call(ctx, workflow.Call{Endpoint: place, Operation: action.OpInvite, Action: workflow.Invite, Args: args})
	}
	told, err := call(args)
	if err != nil || told.Get(action.FieldInvited("b@new.example")) == "" {
		t.Errorf("invite: %v, %v", told, err)
	}
	o.SetFaults(organisation.Faults{InviteError: func(string) string { return "no" }})
	if told, err = call(workflow.Of(workflow.FieldEmail, "c@new.example").With(workflow.FieldGroups, group.ID)); err != nil ||
		told.Get(action.FieldNotInvited("c@new.example")) != "no" {
		t.Errorf("invite somebody refused: %v, %v", told, err)
	}
	o.SetFaults(organisation.Faults{})
	o.SetFree(true)
	if _, err := call(args); err == nil {
		t.Error("invited without a subscription")
	}
	fact := workflow.Fact{Kind: action.KindInvitedRoles, Arg: "a@new.example", Endpoint: place}
	got, err := d.Read(ctx, fact, action.Workspaces())
	if err != nil || got[fact][0].Get(action.ProductField(jira)) != workflow.GroupIn || len(got[action.Workspaces()]) != 1 {
		t.Errorf("who was invited: %v, %v", got, err)
	}
}

// TestSiteContract makes every call of a site's client, refused ones included, and compares requests
// and answers with Atlassian's OpenAPI file of Jira.
func TestSiteContract(t *testing.T) {
	folder := os.Getenv("COUNTERSIGN_OPENAPI")
	if folder == "" {
		t.Fatal("COUNTERSIGN_OPENAPI is not set: the folder with Atlassian's OpenAPI files")
	}
	spec, err := contract.LoadJira(folder)
	if err != nil {
		t.Fatal(err)
	}
	s, ctx := newSite(t, 3), t.Context()
	checked := contract.Transport(s.Transport(), spec, func(problem string) { t.Error(problem) })
	c := siteClient(t, "https://one.atlassian.test", checked, zerolog.Nop())
	d := atlassian.NewDirectory(newEnv(t, newOrganisation(t, person(0), person(1)), "https://api.atlassian.test", nil).client, c)
	if _, err := c.Check(ctx); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]int{"person 1": 1, "p1": 1, "JIRAUSER1": 1, personID(1): 1, "nobody": 0} {
		if found, err := d.FindAtSite(ctx, "one", text, 5); err != nil || len(found) != want {
			t.Errorf("find %s: %v, %v", text, found, err)
		}
	}
	if groups, err := c.Groups(ctx, []string{"Jira users"}, nil); err != nil || len(groups) != 1 {
		t.Errorf("groups by name: %v, %v", groups, err)
	}
	if groups, err := c.Groups(ctx, nil, []string{siteGroup}); err != nil || len(groups) != 1 {
		t.Errorf("groups by id: %v, %v", groups, err)
	}
	if of, all, err := c.Columns(ctx, personID(0)); err != nil || len(of) != 1 || len(all) != 5 {
		t.Errorf("columns: %v, %v, %v", of, all, err)
	}
	id, err := c.Create(ctx, "new@example.com", []string{"jira-software"})
	if err != nil || id == "" {
		t.Errorf("create: %q, %v", id, err)
	}
	for name, err := range map[string]error{
		"add":    c.AddToGroup(ctx, siteGroup, personID(1)),
		"remove": c.RemoveFromGroup(ctx, siteGroup, personID(0)),
		"reset":  c.ResetColumns(ctx, personID(0)),
		"delete": c.Delete(ctx, personID(2)),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"add again":    c.AddToGroup(ctx, siteGroup, personID(1)),
		"remove again": c.RemoveFromGroup(ctx, siteGroup, personID(0)),
		"reset nobody": c.ResetColumns(ctx, "nobody"),
		"delete again": c.Delete(ctx, personID(2)),
	} {
		if err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	if _, err := c.Create(ctx, "none", nil); err == nil {
		t.Error("created nobody")
	}
}

// TestContract makes every call of the client, refused ones included, and compares requests and
// answers with Atlassian's OpenAPI files. COUNTERSIGN_OPENAPI names the folder that holds them.
func TestContract(t *testing.T) {
	folder := os.Getenv("COUNTERSIGN_OPENAPI")
	if folder == "" {
		t.Fatal("COUNTERSIGN_OPENAPI is not set: the folder with Atlassian's OpenAPI files")
	}
	spec, err := contract.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	locked := person(1)
	locked.Locks = map[string]string{atlassian.PrivilegeEmail: "externalDirectory.scim", atlassian.PrivilegeEnablement: "administrative", atlassian.PrivilegeProfile: "externalDirectory.scim"}
	billing := person(2)
	billing.LifecycleErrors = []organisation.LifecycleError{
		{Code: "last-admin", Message: "name another", Link: "https://x.example"},
	}
	locked.OrgAdmin = true
	billing.Tokens = []organisation.Token{{ID: "token-1", Label: "ci", CreatedAt: "2026-11-01T08:00:00Z"}, {
		ID: "token-2", Label: "laptop", CreatedAt: "2026-11-01T08:00:00Z", LastAccess: "2026-11-02T08:00:00Z", Expiry: "2027-11-01T08:00:00Z",
	}}
	o := newOrganisation(t, append(people(130)[2:], locked, billing)...)
	for _, name := range []string{"a", "b"} {
		o.AddDirectory(organisation.Directory{ID: "dir-" + name, Name: name})
	}
	inGroup(t, o, organisation.Group{Name: "finance"}, personID(1), personID(2))
	inGroup(t, o, organisation.Group{Name: "Break-Glass", DirectoryID: "dir-b"}, personID(1))
	server := httptest.NewServer(o.Handler())
	t.Cleanup(server.Close)
	calls := 0
	checked := contract.Transport(http.DefaultTransport, spec, func(problem string) { t.Error(problem) })
	w := newEnv(t, o, server.URL, func(c *atlassian.Config) {
		c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			calls++
			return checked.RoundTrip(r)
		})}
		c.Workers, c.Groups = 1, true
	})
	c, d, ctx := w.client, w.directory, t.Context()

	if report, err := c.CheckKey(ctx); err != nil || !report.Works {
		t.Errorf("check the key: %+v, %v", report, err)
	}
	n := 0
	for _, err := range d.Members(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	found := 0
	for _, err := range c.SearchUsers(ctx, atlassian.Find{Term: "person"}, 50) {
		if err != nil {
			t.Fatal(err)
		}
		found++
	}
	if n != 130 || found != 130 {
		t.Errorf("%d members and %d found, want 130", n, found)
	}
	got, err := d.ByAddress(ctx, []string{"person.1@example.com", "Person.2@example.com", "nobody@example.com"})
	if err != nil || len(got) != 2 {
		t.Errorf("by address: %v, %v", got, err)
	}
	byID, err := d.ByID(ctx, []string{personID(1), personID(2), "nobody"})
	if err != nil || len(byID) != 2 {
		t.Errorf("by id: %v, %v", byID, err)
	}
	if a := byID[personID(1)]; !a.OrgAdmin || !a.RolesKnown || len(a.Groups) != 2 {
		t.Errorf("by id, with rank: %+v", a)
	}
	// Its answer has two pages, of which the second is asked for by cursor.
	for u, err := range c.SearchUsers(ctx, atlassian.Find{IDs: []string{personID(1), personID(2)}}, 1) {
		if err != nil || u.PlatformRoles == nil || u.Groups == nil {
			t.Errorf("by id, one a page: %+v, %v", u, err)
		}
	}
	names := []string{"FINANCE", "break-glass", "nobody"}
	for i := range 100 {
		names = append(names, fmt.Sprintf("group-%d", i))
	}
	there, err := d.GroupsNamed(ctx, names)
	if err != nil || !there["finance"] || !there["break-glass"] || there["nobody"] {
		t.Errorf("groups named: %v, %v", there, err)
	}
	checkGroups(t, d, o)
	checkInvite(t, d, o)
	if _, err := c.DirectoryUser(ctx, personID(5)); err != nil {
		t.Error(err)
	}
	if all, err := c.Directories(ctx); err != nil || len(all) != 3 {
		t.Errorf("directories: %v, %v", all, err)
	}
	for _, err := range []error{
		d.SetEmail(ctx, personID(5), "new@example.com"), d.Deactivate(ctx, personID(5), "left"), d.Activate(ctx, personID(5)),
		d.Deactivate(ctx, personID(5), ""), d.SetName(ctx, personID(5), "Another Name"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if n, err := d.Tokens(ctx, personID(2)); err != nil || n != 2 {
		t.Errorf("tokens: %d, %v", n, err)
	}
	for _, token := range []string{"token-1", "token-2", "token-2"} { // one that is gone is gone
		if err := d.RevokeToken(ctx, personID(2), token); err != nil {
			t.Error(err)
		}
	}
	site := organisation.Workspace{ID: "ari:cloud:jira-software::site/1", TypeKey: "jira-software", DirectoryID: "dir-a"}
	if err := o.AddWorkspace(site); err != nil {
		t.Fatal(err)
	}
	if err := o.Edit(personID(7), func(a *organisation.Account) {
		a.Roles = []organisation.Grant{{Resource: site.ID, Role: "atlassian/user"}}
	}); err != nil {
		t.Fatal(err)
	}
	guest := organisation.Account{ID: "712020:guest", Name: "Guest", Email: "guest@elsewhere.example", Memberships: map[string]string{
		o.Directories()[0].ID: "no_membership", "dir-b": "no_membership",
	}}
	if err := o.Put(guest); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		id, want string
		call     func() error
	}{
		{personID(7), "suspended", func() error { return d.Suspend(ctx, "dir-a", personID(7)) }},
		{personID(7), "active", func() error { return d.Restore(ctx, "dir-a", personID(7)) }},
		{personID(7), "none", func() error { return d.RemoveUser(ctx, "dir-a", personID(7)) }},
		{guest.ID, "none", func() error { return d.RemoveUser(ctx, "dir-a", guest.ID) }},
	} {
		if err := step.call(); err != nil {
			t.Error(err)
		}
		if got, err := d.Standing(ctx, "dir-a", step.id); err != nil || got != step.want {
			t.Errorf("step %d: the account is %q (%v), want %s", i+1, got, err, step.want)
		}
	}
	for i, step := range []struct {
		want string
		call func(context.Context, string) error
	}{{"for_deletion", d.Delete}, {"active", d.CancelDelete}} {
		if err := step.call(ctx, personID(8)); err != nil {
			t.Error(err)
		}
		if got, err := d.Status(ctx, personID(8)); err != nil || got != step.want {
			t.Errorf("step %d: the account is %q (%v), want %s", i+1, got, err, step.want)
		}
	}
	log, err := d.LogPage(ctx, "", time.Now().Add(-time.Hour))
	if err != nil || len(log.Events) < 10 || log.Next == "" {
		t.Errorf("the log: %d events, %v", len(log.Events), err)
	}
	if more, err := d.LogPage(ctx, log.Next, time.Time{}); err != nil || len(more.Events) != 0 {
		t.Errorf("the log again: %v, %v", more, err)
	}
	if _, err := d.LogPage(ctx, "no cursor", time.Time{}); err == nil {
		t.Error("a cursor of nobody was taken")
	}
	if kinds, err := d.LogKinds(ctx); err != nil || len(kinds) < 10 {
		t.Errorf("kinds of the log: %v, %v", kinds, err)
	}
	for name, err := range map[string]error{
		"billing deleted": d.Delete(ctx, personID(2)),
		"not in deletion": d.CancelDelete(ctx, personID(8)),
		"removed twice":   d.RemoveUser(ctx, "dir-a", personID(7)),
		"admin":           d.Suspend(ctx, "dir-a", personID(1)),
		"tokens":          d.RevokeToken(ctx, "nobody", "token-1"),
		"locked":          d.SetEmail(ctx, personID(1), "other@example.com"),
		"locked too":      d.Deactivate(ctx, personID(1), ""),
		"domain":          d.SetEmail(ctx, personID(6), "a@other.example"),
		"locked name":     d.SetName(ctx, personID(1), "Another Name"),
		"long name":       d.SetName(ctx, personID(5), strings.Repeat("a", 101)),
		"value":           d.SetEmail(ctx, personID(6), strings.Repeat("a", 256)+"@example.com"),
		"nobody":          d.Activate(ctx, "nobody"),
		"billing":         d.Deactivate(ctx, personID(2), ""),
	} {
		if err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	if calls != len(o.Calls()) || calls < 25 {
		t.Errorf("%d calls were checked, %d arrived", calls, len(o.Calls()))
	}
}
