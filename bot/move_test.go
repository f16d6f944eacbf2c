package bot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// people are accounts on the old domain with these names.
func people(names ...string) *accounts {
	a := newAccounts(len(names))
	for i, name := range names {
		id := fmt.Sprintf("712020:%04d", i)
		acc := a.by[id]
		acc.Name = name
		a.by[id] = acc
	}
	return a
}

// A whole domain becomes a batch: its card stands and counts while the accounts are listed, then it is
// planned, approved and run as any other. What the identity provider alone can change is a file.
func TestWholeDomain(t *testing.T) {
	t.Parallel()
	a := newAccounts(5)
	a.by["712020:0004"] = workflow.Account{ // of another domain
		ID: "712020:0004", Name: "Elsewhere", Email: "p4@other.example", Type: "atlassian", Status: workflow.StatusActive,
		Managed: true, RolesKnown: true,
	}
	a.locked = map[string]string{"712020:0001": "externalDirectory.scim", "712020:0002": "myselfOnly"}
	a.list = make(chan struct{})
	w := newWorld(t, a)
	w.command("U0CAROL", "C0OTHER", "migrate-domain old.example <http://new.example|new.example> reason: merger")
	w.cardSays(1, "listing the accounts on old.example: 2 of the organisation read")
	close(a.list)
	w.cardSays(1, "Needs 1 approval")
	card := w.cardSays(1, "All of* old.example → new.example")
	plan := w.fileInThread(card.TS, "batch-1-plan.csv")
	for _, want := range []string{"p0@old.example,p0@new.example,ready", "p3@old.example,p3@new.example,ready"} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan has no %q:\n%s", want, plan)
		}
	}
	if strings.Contains(plan, "other.example") {
		t.Errorf("the plan has another domain:\n%s", plan)
	}
	const theirs = "\ufeffaccount_id,name,old_email,new_email,owner,directory\r\n" +
		"712020:0001,Person 1,p1@old.example,p1@new.example,SCIM,\r\n"
	if got := w.fileInThread(card.TS, "batch-1-identity-provider.csv"); got != theirs {
		t.Errorf("for the identity provider's team: %q", got)
	}
	w.click("U0ALICE", card, "approve")
	w.cardSays(1, "*Done*")
	for id, want := range map[string]string{
		"712020:0000": "p0@new.example", "712020:0001": "p1@old.example", "712020:0003": "p3@new.example", "712020:0004": "p4@other.example",
	} {
		if got, _ := a.Account(t.Context(), id); got.Email != want {
			t.Errorf("%s has %s, want %s", id, got.Email, want)
		}
	}
	w.command("U0CAROL", "C0OTHER", "migrate-domain old.example new.example") // what is left, and who has moved
	w.told("U0CAROL", "C0OTHER", "Nothing in #2 can run")
	if s, err := w.db.Summary(t.Context(), 2); err != nil || s.State(workflow.ChangeUnchanged) != 2 || s.State(workflow.ChangeBlocked) != 2 {
		t.Errorf("the second one: %+v, %v; want 2 moved already and 2 locked", s, err)
	}
	if audited, err := w.db.Audit(t.Context()); err != nil || !audited.Whole() {
		t.Errorf("audit: %+v, %v", audited, err)
	}
}

// Who is cancelled while the accounts are listed is not planned.
func TestWholeDomainCancelled(t *testing.T) {
	t.Parallel()
	a := newAccounts(5)
	a.list = make(chan struct{})
	w := newWorld(t, a)
	w.command("U0CAROL", requests, "migrate-domain old.example new.example")
	card := w.cardSays(1, "listing the accounts")
	w.click("U0CAROL", card, "cancel")
	w.cardSays(1, "Cancelled")
	if rows, err := w.db.Rows(t.Context(), 1); len(rows) != 0 || err != nil {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// The options: only a group's members, addresses made of names, accounts of a file left out.
func TestWholeDomainOptions(t *testing.T) {
	t.Parallel()
	a := people("Zoë Müller", "Zoe Muller", "Ada Lang (Deactivated)", "Lang, Ada", "Ada", "李 雷", "Left Out", "Ada Lang")
	taken := a.by["712020:0007"]
	taken.Email = "ada.lang2@new.example" // holds the second number
	a.by["712020:0007"] = taken
	w := newWorld(t, a)
	csv := workspace.Upload{Name: "stay.csv", Content: []byte("email\np6@old.example\nnobody@old.example\n")}
	w.say(requests, "migrate-domain old.example new.example names first.last except\nreason: one name for all", csv)
	card := w.cardSays(1, "Needs 1 approval")
	w.cardSays(1, "as first.last, without the 2 accounts of the file")
	w.cardSays(1, "one name for all")
	plan := w.fileInThread(card.TS, "batch-1-plan.csv")
	for _, want := range []string{
		"p0@old.example,zoe.muller@new.example,ready,,", "p1@old.example,zoe.muller2@new.example,ready,\"zoe.muller@new.example is held or wanted",
		"p2@old.example,ada.lang@new.example,ready,,", "p3@old.example,ada.lang3@new.example,ready,\"ada.lang@new.example is held or wanted",
		"is no first and last name", "has no ASCII form", "line 3 of the exceptions names no managed account on old.example",
	} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan has no %q:\n%s", want, plan)
		}
	}
	if strings.Contains(plan, "p6@") {
		t.Errorf("who was left out is in the plan:\n%s", plan)
	}
	w.command("U0CAROL", requests, `migrate-domain old.example new.example only-group "few people"`)
	w.told("U0CAROL", requests, "Nothing in #2 can run") // #1 holds them
	if rows, err := w.db.Rows(t.Context(), 2); len(rows) != 3 || err != nil {
		t.Errorf("%d rows, %v, want those of the group's 3 members", len(rows), err)
	}
	w.click("U0CAROL", card, view.ActionWithdraw)
	w.cardSays(1, "Withdrawn")
	w.command("U0CAROL", requests, `migrate-domain old.example new.example only-group "few people"`)
	w.cardSays(3, "only members of the group few people")
}

// What cannot be a migration is refused at once, and makes no batch.
func TestWholeDomainRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	for words, want := range map[string]string{
		"migrate-domain old.example unclaimed.example":                     "The domain unclaimed.example is not verified",
		"migrate-domain old.example new.example only-group nobody":         "nobody",
		"migrate-domain old.example new.example only-group twins":          "g-3, g-4",
		"migrate-domain old.example old.example":                           "The old and the new domain are the same",
		"migrate-domain old.example new.example names last.first":          "Names is followed by first.last",
		"migrate-domain old.example new.example only-group":                "Say which group",
		"migrate-domain old.example new.example names first.last names no": "Names is given twice",
	} {
		w.command("U0CAROL", requests, words)
		w.told("U0CAROL", requests, want)
	}
	w.command("U0CAROL", requests, "migrate-domain old.example") // a word is missing
	form := w.viewWith("U0CAROL", "old.example")
	w.submit("U0CAROL", form, map[string]string{view.FieldNew: "unclaimed.example"})
	w.modalSays("U0CAROL", "The domain unclaimed.example is not verified")
	w.submit("U0CAROL", w.slack.Views("U0CAROL")[0], map[string]string{view.FieldNew: "new.example"})
	w.modalSays("U0CAROL", "Rename 3 accounts")
	if err := w.slack.CloseView(t.Context(), "U0CAROL", w.slack.Views("U0CAROL")[0].ID); err != nil {
		t.Fatal(err)
	}
	m := w.say(requests, "migrate-domain old.example new.example except", workspace.Upload{
		Name: "stay.csv", Content: []byte("email\np1@old.example\nno address\n"),
	})
	w.inThread(m.TS, "line 3 cannot be used")
	m = w.say(requests, "migrate-domain old.example new.example", workspace.Upload{Name: "stay.csv", Content: []byte("email\np1@old.example\n")})
	w.inThread(m.TS, "does not say what the file is for")
	if list, err := w.db.List(t.Context(), 0); len(list) != 0 || err != nil {
		t.Errorf("%d batches, %v", len(list), err)
	}
	w.command("U0CAROL", requests, "migrate-domain empty.example new.example")
	w.told("U0CAROL", requests, "Nothing in #1 can run: no managed account has an address on empty.example.")
}

// Where the file of except is missing the form opens for it, filled in. Without it nobody is asked to
// approve the whole domain.
func TestExceptOpensTheForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	const words = `migrate-domain old.example new.example only-group "few people" except reason: merger`
	w.writes("U0CAROL", "migrate-domain old.example new.example except")
	w.answeredDirectly("U0CAROL", "Except needs a file. Post a CSV of the accounts to leave out")
	w.command("U0CAROL", requests, words)
	form := w.viewWith("U0CAROL", "few people")
	for _, want := range []string{"old.example", "new.example", "merger", "Except the accounts of a CSV"} {
		if !strings.Contains(string(form.Blocks), want) {
			t.Errorf("the form lacks %q:\n%s", want, form.Blocks)
		}
	}
	err := w.slack.SubmitView(t.Context(), "U0CAROL", form.ID, nil)
	if err == nil || !strings.Contains(err.Error(), view.NeedsExcept) {
		t.Errorf("a form without the file: %v", err)
	}
	file := w.slack.AddFile("U0CAROL", workspace.Upload{Name: "stay.csv", Content: []byte("email\np1@old.example\n")})
	w.submit("U0CAROL", form, map[string]string{view.FieldFile: file, view.FieldOnly: ""})
	w.submit("U0CAROL", w.modalSays("U0CAROL", "Rename 2 accounts"), nil)
	w.cardSays(1, "without the 1 account of the file")
}
