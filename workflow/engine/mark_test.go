package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// shown is a directory of which searches tell these accounts.
type shown struct {
	Directory
	accounts []workflow.Account
	err      error
}

func (s shown) ByAddress(_ context.Context, addresses []string) (map[string][]workflow.Account, error) {
	found := map[string][]workflow.Account{}
	for _, a := range s.accounts {
		for _, address := range addresses {
			if key := workflow.AddressKey(address); key == workflow.AddressKey(a.Email) {
				found[key] = append(found[key], a)
			}
		}
	}
	return found, s.err
}

func (s shown) ByID(_ context.Context, ids []string) (map[string]workflow.Account, error) {
	found := map[string]workflow.Account{}
	for _, a := range s.accounts {
		for _, id := range ids {
			if id == a.ID {
				found[id] = a
			}
		}
	}
	return found, nil
}

// staff is a Slack whose admins are these.
type staff struct {
	workflow.People
	admins []workflow.Person
}

func (s staff) Admins(context.Context) ([]workflow.Person, error) { return s.admins, nil }

func TestMarked(t *testing.T) {
	t.Parallel()
	told := func(id, email string, set func(*workflow.Account)) workflow.Account {
		a := workflow.Account{ID: id, Email: email, RolesKnown: true}
		if set != nil {
			set(&a)
		}
		return a
	}
	directory := shown{accounts: []workflow.Account{
		told("plain", "plain@example.com", nil),
		told("ceo", "CEO@example.com", nil),
		told("glass", "glass@example.com", func(a *workflow.Account) { a.Groups = []string{"Break-Glass"} }),
		told("root", "root@example.com", func(a *workflow.Account) { a.OrgAdmin = true }),
		told("alice", "alice@example.com", nil),
		told("bob", "other@example.com", nil),
		told("hidden", "hidden@example.com", func(a *workflow.Account) { a.RolesKnown = false }),
		told("no address", "", nil),
		told("board", "b@board.example", nil),
	}}
	e := &Engine{cfg: Config{
		Policy: policy.Policy{
			Protect: []string{"ceo@example.com", "group:break-glass", "@board.example"}, Accounts: map[string]string{"U0BOB": "bob"},
			Rules: []policy.Rule{{When: policy.When{OrgAdmins: true}, Allow: true, Approvals: 2}},
		},
		Directory: directory,
		People:    staff{admins: []workflow.Person{{ID: "U0ALICE", Email: "Alice@Example.com"}, {ID: "U0BOB"}}},
	}}
	asked := make([]workflow.Account, 0, len(directory.accounts)+1)
	for _, a := range directory.accounts {
		asked = append(asked, workflow.Account{ID: a.ID, Email: a.Email}) // as a snapshot shows it
	}
	asked = append(asked, workflow.Account{ID: "lost", Email: "lost@example.com"})
	got, err := e.Marked(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]workflow.Mark{
		"ceo": workflow.MarkProtected, "glass": workflow.MarkProtected, "board": workflow.MarkProtected, "root": workflow.MarkOrgAdmin,
		"alice": workflow.MarkAdmin, "bob": workflow.MarkAdmin, "hidden": workflow.MarkUnknown, "lost": workflow.MarkUnknown,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	directory.err = &workflow.Unshown{Holders: map[string]string{"lost@example.com": "lost"}}
	e.cfg.Directory = directory
	if got, err := e.Marked(t.Context(), asked); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("where one does not show: %v, %v", got, err)
	}
	directory.err = errors.New("down")
	e.cfg.Directory = directory
	if got, err := e.Marked(t.Context(), asked); err == nil {
		t.Errorf("%v although nobody could be asked", got)
	}
}

// knownAs is a past that knows nobody.
type knownAs struct{ Past }

func (knownAs) KnownAs(context.Context, string) ([]string, error) { return nil, nil }

func (s shown) Read(context.Context, ...workflow.Fact) (workflow.Answers, error) {
	return nil, workflow.ErrUnavailable
}

// An account that is found for an address and shown without it is named.
func TestAnAccountThatIsFoundAndNotShown(t *testing.T) {
	t.Parallel()
	hidden := &workflow.Unshown{Holders: map[string]string{"ann@example.com": "ann"}}
	e := &Engine{cfg: Config{Directory: shown{err: hidden}, Past: knownAs{}}}
	if found, err := e.findAccounts(t.Context(), "Ann@example.com"); err != nil || len(found) != 1 || found[0].ID != "ann" {
		t.Errorf("it is found as %v, %v", found, err)
	}
	if ids, _, err := e.meant(t.Context(), "Ann@example.com"); err != nil || len(ids) != 1 || ids[0] != "ann" {
		t.Errorf("its history is that of %v, %v", ids, err)
	}
}
