package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// twoViews is a directory whose search and whose reads of one account may differ, and which counts
// both.
type twoViews struct {
	searched map[string]workflow.Account // what a search shows, by id
	read     map[string]workflow.Account // what reading one account shows
	fail     error                       // of searches by id

	mu    sync.Mutex
	asked []string // ids that were searched for
	reads []string // ids that were read
}

func (v *twoViews) ByID(_ context.Context, ids []string) (map[string]workflow.Account, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, ids...)
	if v.fail != nil {
		return nil, v.fail
	}
	found := maps.Clone(v.searched)
	maps.DeleteFunc(found, func(id string, _ workflow.Account) bool { return !slices.Contains(ids, id) })
	return found, nil
}

func (v *twoViews) Account(_ context.Context, id string) (workflow.Account, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads = append(v.reads, id)
	a, ok := v.read[id]
	if !ok {
		return workflow.Account{}, workflow.ErrNotFound
	}
	return a, nil
}

func (v *twoViews) ByAddress(_ context.Context, addresses []string) (map[string][]workflow.Account, error) {
	found := map[string][]workflow.Account{}
	for _, id := range slices.Sorted(maps.Keys(v.searched)) {
		a := v.searched[id]
		if slices.ContainsFunc(addresses, func(b string) bool { return workflow.SameAddress(a.Email, b) }) {
			found[workflow.AddressKey(a.Email)] = append(found[workflow.AddressKey(a.Email)], a)
		}
	}
	return found, nil
}

func (v *twoViews) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	if facts[0].Kind != workflow.KindProfile {
		return nil, errors.New("not asked in these tests")
	}
	a, err := v.Account(ctx, facts[0].AccountID)
	return workflow.Answers{facts[0]: {workflow.ProfileValues(a)}}, err
}

func (v *twoViews) Search(context.Context, string, int) ([]workflow.Account, error) { return nil, nil }

func (v *twoViews) Domains(context.Context) ([]workflow.DomainClaim, error) { return nil, nil }

func (v *twoViews) GroupsNamed(context.Context, []string) (map[string]bool, error) {
	return map[string]bool{}, nil
}

// found runs the first step of a check over the rows.
func (v *twoViews) found(t *testing.T, rows ...workflow.Row) []*draft {
	t.Helper()
	k := &check{Checker: &Checker{Reader: v, Workers: 2}, known: action.NewKnown()}
	for i := range rows {
		rows[i].Line = i + 2
		k.drafts = append(k.drafts, k.draft(&rows[i], &workflow.Change{}))
	}
	if err := k.findAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k.drafts
}

// A row that names an id takes what the search by id shows where that settles it; else the account
// is read, which has the last word, and the search's word on its rank is kept.
func TestAccountsByID(t *testing.T) {
	account := func(email string, change ...func(*workflow.Account)) workflow.Account {
		a := workflow.Account{ID: "1", Name: "Ann", Email: email, Type: "atlassian", Status: workflow.StatusActive, Managed: true}
		for _, c := range change {
			c(&a)
		}
		return a
	}
	rank := func(a *workflow.Account) { a.OrgAdmin, a.Groups, a.RolesKnown = true, []string{"finance"}, true }
	inactive := func(a *workflow.Account) { a.Status = workflow.StatusInactive }
	closed := func(a *workflow.Account) { a.Status = workflow.StatusClosed }
	foreign := func(a *workflow.Account) { a.Managed = false }
	leaver := workflow.Row{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, "1")}
	rename := workflow.Row{
		Action: workflow.Rename,
		Values: workflow.Of(workflow.ColumnAccountID, "1").With(workflow.ColumnEmail, "ann@old.example").
			With(workflow.ColumnNewEmail, "ann@new.example"),
	}
	for name, test := range map[string]struct {
		row            workflow.Row
		searched, read []workflow.Account // at most one
		fail           error
		want           workflow.Account // none when blocked
		code           workflow.ReasonCode
		reads          int
	}{
		"search settles": {
			row: leaver, searched: []workflow.Account{account("ann@old.example", rank)}, want: account("ann@old.example", rank),
		},
		"search settles, unranked": {
			row: leaver, searched: []workflow.Account{account("ann@old.example")}, want: account("ann@old.example"),
		},
		"search shows it closed": {
			row: leaver, searched: []workflow.Account{account("ann@old.example", closed)}, want: account("ann@old.example", closed),
		},
		"hidden from the search": {
			row: leaver, read: []workflow.Account{account("ann@old.example")}, want: account("ann@old.example"), reads: 1,
		},
		"nobody": {row: leaver, code: workflow.ReasonNoAccount, reads: 1},
		"not managed": {
			row: leaver, searched: []workflow.Account{account("ann@old.example", foreign)}, code: workflow.ReasonNoAccount, reads: 1,
		},
		"search hides the address": {
			row: leaver, searched: []workflow.Account{account("", rank)}, read: []workflow.Account{account("ann@old.example")},
			want: account("ann@old.example", rank), reads: 1,
		},
		"search lags behind: it was deactivated once": {
			row: leaver, searched: []workflow.Account{account("ann@old.example", inactive, rank)}, read: []workflow.Account{account("ann@old.example")},
			want: account("ann@old.example", rank), reads: 1,
		},
		"search lags behind: the address of the row is new": {
			row: rename, searched: []workflow.Account{account("was@old.example", rank)}, read: []workflow.Account{account("ann@old.example")},
			want: account("ann@old.example", rank), reads: 1,
		},
		"another address than the row's": {
			row: rename, searched: []workflow.Account{account("was@old.example")}, read: []workflow.Account{account("was@old.example")},
			code: workflow.ReasonMismatch, reads: 1,
		},
		"renamed already": {
			row: rename, searched: []workflow.Account{account("ann@new.example", rank)}, read: []workflow.Account{account("Ann@New.example")},
			want: account("Ann@New.example", rank), reads: 1,
		},
		"search is refused": {
			row: leaver, searched: []workflow.Account{account("ann@old.example", rank)}, read: []workflow.Account{account("ann@old.example")},
			fail: &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "403")}, code: workflow.ReasonCouldNotCheck,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := &twoViews{searched: map[string]workflow.Account{}, read: map[string]workflow.Account{}, fail: test.fail}
			for _, a := range test.searched {
				v.searched[a.ID] = a
			}
			for _, a := range test.read {
				v.read[a.ID] = a
			}
			d := v.found(t, test.row)[0]
			if diff := cmp.Diff(test.want, d.account()); diff != "" {
				t.Errorf("account (-want +got)\n%s", diff)
			}
			if d.Change.Reason.Code != test.code || len(v.reads) != test.reads {
				t.Errorf("reason %q and %d reads, want %q and %d", d.Change.Reason.Code, len(v.reads), test.code, test.reads)
			}
		})
	}
}

// manyIDs is more than one search takes.
const manyIDs = 200

// Each id is searched for once, and none that an address found already.
func TestIDsAreSearchedForOnce(t *testing.T) {
	v := &twoViews{searched: map[string]workflow.Account{}}
	var rows []workflow.Row
	for i := range 3 * manyIDs {
		id := fmt.Sprint(i)
		v.searched[id] = workflow.Account{ID: id, Email: "p" + id + "@old.example", Managed: true, Status: workflow.StatusActive}
		rows = append(rows, workflow.Row{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, id)})
		if i%2 == 0 {
			rows[i].Set(workflow.ColumnEmail, v.searched[id].Email)
		}
	}
	rows = append(rows, rows[1])
	for _, d := range v.found(t, rows...) {
		if d.account().ID == "" || d.account().ID != d.Row.AccountID() {
			t.Errorf("row %d has account %q, want %q", d.Row.Line, d.account().ID, d.Row.AccountID())
		}
	}
	if want := 3 * manyIDs / 2; len(v.asked) != want || len(v.reads) != 0 {
		t.Errorf("%d ids searched for and %d accounts read, want %d and 0", len(v.asked), len(v.reads), want)
	}
}

// A directory that answers neither searches nor reads spends the outage budget once for both.
func TestNoAnswerByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &twoViews{fail: workflow.ErrUnavailable}
		var rows []workflow.Row
		for i := range 20 * manyIDs {
			rows = append(rows, workflow.Row{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, fmt.Sprint(i))})
		}
		began := time.Now()
		k := &check{Checker: &Checker{Reader: silent{v}, Workers: 2}, known: action.NewKnown()}
		for _, r := range rows {
			k.drafts = append(k.drafts, k.draft(&r, &workflow.Change{}))
		}
		if err := k.findAccounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > checkBudget+time.Minute/2 {
			t.Errorf("took %s", took)
		}
		for _, d := range k.drafts {
			if d.Change.Reason.Code != workflow.ReasonCouldNotCheck {
				t.Fatalf("account %s: %q, want could not check", d.Row.AccountID(), d.Change.Reason.Code)
			}
		}
	})
}

// silent is a directory that answers no read of an account.
type silent struct{ *twoViews }

func (silent) Read(context.Context, ...workflow.Fact) (workflow.Answers, error) {
	return nil, workflow.ErrUnavailable
}
