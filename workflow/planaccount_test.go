package workflow

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
)

// twoViews is a directory whose search and whose reads of one account may differ, and which counts both.
type twoViews struct {
	searched map[string]Account // what a search shows, by id
	read     map[string]Account // what reading one account shows
	fail     error              // of searches by id

	mu    sync.Mutex
	asked []string // ids that were searched for
	reads []string // ids that were read
}

func (v *twoViews) ByID(_ context.Context, ids []string) (map[string]Account, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, ids...)
	if v.fail != nil {
		return nil, v.fail
	}
	found := maps.Clone(v.searched)
	maps.DeleteFunc(found, func(id string, _ Account) bool { return !slices.Contains(ids, id) })
	return found, nil
}

func (v *twoViews) Account(_ context.Context, id string) (Account, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads = append(v.reads, id)
	a, ok := v.read[id]
	if !ok {
		return Account{}, ErrNotFound
	}
	return a, nil
}

func (v *twoViews) ByAddress(_ context.Context, addresses []string) (map[string][]Account, error) {
	found := map[string][]Account{}
	for _, id := range slices.Sorted(maps.Keys(v.searched)) {
		a := v.searched[id]
		if slices.ContainsFunc(addresses, func(b string) bool { return SameAddress(a.Email, b) }) {
			found[AddressKey(a.Email)] = append(found[AddressKey(a.Email)], a)
		}
	}
	return found, nil
}

func (v *twoViews) Privileges(context.Context, string, ...string) (map[string]Privilege, error) {
	return nil, errors.New("not asked in these tests")
}

func (v *twoViews) Search(context.Context, string, int) ([]Account, error) { return nil, nil }

func (v *twoViews) Domains(context.Context) ([]DomainClaim, error) { return nil, nil }

// found runs the first step of a check over the rows.
func (v *twoViews) found(t *testing.T, rows ...Row) []*draft {
	t.Helper()
	k := &check{Checker: &Checker{Reader: v, Workers: 2}}
	for i := range rows {
		rows[i].Line = i + 2
		k.drafts = append(k.drafts, newDraft(&rows[i], &Change{}))
	}
	if err := k.findAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k.drafts
}

// A row that names an id takes what the search by id shows where that settles it; else the account is read, which has the
// last word, and the search's word on its rank is kept.
func TestAccountsByID(t *testing.T) {
	account := func(email string, change ...func(*Account)) Account {
		a := Account{ID: "1", Name: "Ann", Email: email, Type: "atlassian", Status: StatusActive, Managed: true}
		for _, c := range change {
			c(&a)
		}
		return a
	}
	rank := func(a *Account) { a.OrgAdmin, a.Groups, a.Ranked = true, []string{"finance"}, true }
	inactive := func(a *Account) { a.Status = StatusInactive }
	closed := func(a *Account) { a.Status = StatusClosed }
	foreign := func(a *Account) { a.Managed = false }
	leaver := Row{Action: Deactivate, AccountID: "1"}
	rename := Row{Action: Rename, AccountID: "1", Email: "ann@old.example", NewEmail: "ann@new.example"}
	for name, test := range map[string]struct {
		row            Row
		searched, read []Account // at most one
		fail           error
		want           Account // none when blocked
		code           ReasonCode
		reads          int
	}{
		"search settles": {
			row: leaver, searched: []Account{account("ann@old.example", rank)}, want: account("ann@old.example", rank),
		},
		"search settles, unranked": {
			row: leaver, searched: []Account{account("ann@old.example")}, want: account("ann@old.example"),
		},
		"search shows it closed": {
			row: leaver, searched: []Account{account("ann@old.example", closed)}, want: account("ann@old.example", closed),
		},
		"hidden from the search": {
			row: leaver, read: []Account{account("ann@old.example")}, want: account("ann@old.example"), reads: 1,
		},
		"nobody": {row: leaver, code: ReasonNoAccount, reads: 1},
		"not managed": {
			row: leaver, searched: []Account{account("ann@old.example", foreign)}, code: ReasonNoAccount, reads: 1,
		},
		"search hides the address": {
			row: leaver, searched: []Account{account("", rank)}, read: []Account{account("ann@old.example")},
			want: account("ann@old.example", rank), reads: 1,
		},
		"search lags behind: it was deactivated once": {
			row: leaver, searched: []Account{account("ann@old.example", inactive, rank)}, read: []Account{account("ann@old.example")},
			want: account("ann@old.example", rank), reads: 1,
		},
		"search lags behind: the address of the row is new": {
			row: rename, searched: []Account{account("was@old.example", rank)}, read: []Account{account("ann@old.example")},
			want: account("ann@old.example", rank), reads: 1,
		},
		"another address than the row's": {
			row: rename, searched: []Account{account("was@old.example")}, read: []Account{account("was@old.example")},
			code: ReasonMismatch, reads: 1,
		},
		"renamed already": {
			row: rename, searched: []Account{account("ann@new.example", rank)}, read: []Account{account("Ann@New.example")},
			want: account("Ann@New.example", rank), reads: 1,
		},
		"search is refused": {
			row: leaver, searched: []Account{account("ann@old.example", rank)}, read: []Account{account("ann@old.example")},
			fail: &Refusal{Reason: NewReason(ReasonRefused, "403")}, code: ReasonCouldNotCheck,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := &twoViews{searched: map[string]Account{}, read: map[string]Account{}, fail: test.fail}
			for _, a := range test.searched {
				v.searched[a.ID] = a
			}
			for _, a := range test.read {
				v.read[a.ID] = a
			}
			d := v.found(t, test.row)[0]
			if diff := cmp.Diff(test.want, d.account); diff != "" {
				t.Errorf("account (-want +got)\n%s", diff)
			}
			if d.change.Reason.Code != test.code || len(v.reads) != test.reads {
				t.Errorf("reason %q and %d reads, want %q and %d", d.change.Reason.Code, len(v.reads), test.code, test.reads)
			}
		})
	}
}

// manyIDs is more than one search takes.
const manyIDs = 200

// Each id is searched for once, and none that an address found already.
func TestIDsAreSearchedForOnce(t *testing.T) {
	v := &twoViews{searched: map[string]Account{}}
	var rows []Row
	for i := range 3 * manyIDs {
		id := fmt.Sprint(i)
		v.searched[id] = Account{ID: id, Email: "p" + id + "@old.example", Managed: true, Status: StatusActive}
		rows = append(rows, Row{Action: Deactivate, AccountID: id})
		if i%2 == 0 {
			rows[i].Email = v.searched[id].Email
		}
	}
	rows = append(rows, rows[1])
	for _, d := range v.found(t, rows...) {
		if d.account.ID == "" || d.account.ID != d.row.AccountID {
			t.Errorf("row %d has account %q, want %q", d.row.Line, d.account.ID, d.row.AccountID)
		}
	}
	if want := 3 * manyIDs / 2; len(v.asked) != want || len(v.reads) != 0 {
		t.Errorf("%d ids searched for and %d accounts read, want %d and 0", len(v.asked), len(v.reads), want)
	}
}

// A directory that answers neither searches nor reads ends the patience once for both.
func TestNoAnswerByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &twoViews{fail: ErrUnavailable}
		var rows []Row
		for i := range 20 * manyIDs {
			rows = append(rows, Row{Action: Deactivate, AccountID: fmt.Sprint(i)})
		}
		began := time.Now()
		k := &check{Checker: &Checker{Reader: silent{v}, Workers: 2}}
		for _, r := range rows {
			k.drafts = append(k.drafts, newDraft(&r, &Change{}))
		}
		if err := k.findAccounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > checkBudget+time.Minute/2 {
			t.Errorf("took %s", took)
		}
		for _, d := range k.drafts {
			if d.change.Reason.Code != ReasonCouldNotCheck {
				t.Fatalf("account %s: %q, want could not check", d.row.AccountID, d.change.Reason.Code)
			}
		}
	})
}

// silent is a directory that answers no read of an account.
type silent struct{ *twoViews }

func (silent) Account(context.Context, string) (Account, error) { return Account{}, ErrUnavailable }
