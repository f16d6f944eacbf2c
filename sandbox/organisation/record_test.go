package organisation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

func TestViolations(t *testing.T) {
	switched := "switched off by Atlassian"
	for _, test := range []struct {
		method, path string
		body         any
		status       int
		want         string
	}{
		{"POST", admin("v1", "/directory/users/a/suspend-access"), `{}`, 404, switched},
		{"POST", admin("v1", "/directory/users/a/restore-access"), `{}`, 404, switched},
		{"DELETE", admin("v1", "/directory/users/a"), nil, 404, switched},
		{"POST", admin("v1", "/users/search"), `{}`, 404, switched},
		{"POST", admin("v1", "/users/invite"), `{}`, 404, switched},
		{"POST", admin("v1", "/directory/groups/g/memberships"), `{}`, 404, switched},
		{"GET", admin("v2", "/directories/-/users"), nil, 404, switched},
		{"GET", admin("v2", "/directories/-/groups"), nil, 404, switched},
		{"GET", "/users/a/manage/nothing", nil, 404, "no such call"},
		{"PATCH", manage(person(1), "/email"), `{}`, 404, "no such call"},
		{"GET", admin("v1", "/users?limit=5"), nil, 200, `unknown query parameter "limit"`},
		{"PUT", manage(person(1), "/email"), `{"email":"x@example.com","notify":false}`, 204, `unknown field "notify"`},
		{"POST", manage(person(1), "/lifecycle/disable"), `{"reason":"x"}`, 204, `unknown field "reason"`},
		{"PATCH", manage(person(1), "/profile"), `{"email":"x@example.com"}`, 200, `unknown field "email"`},
		{"POST", admin("v2", "/directories/-/users/search"), `{"email":["x"]}`, 200, `unknown field "email"`},
		{"POST", admin("v2", "/directories/-/users/search"), nil, 415, "content type"},
		{"POST", manage(person(1), "/lifecycle/disable"), nil, 415, "content type"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			w := start(t, nil, person(1))
			w.call(test.status, test.method, test.path, test.body)
			got := w.Violations()
			if len(got) != 1 || !strings.Contains(got[0], test.want) || !strings.HasPrefix(got[0], test.method+" /") {
				t.Errorf("violations %q, want one with %q", got, test.want)
			}
		})
	}
}

func TestPutRefusesWhatCannotBe(t *testing.T) {
	w := start(t, nil, person(1))
	for name, account := range map[string]organisation.Account{
		"bad id":         {ID: "a/b", Email: "a@example.com"},
		"held address":   {ID: "a", Email: "PERSON.1@example.com"},
		"unknown status": {ID: "a", Status: "gone"},
		"unknown type":   {ID: "a", Type: "robot"},
	} {
		if err := w.Put(account); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if count := len(w.Accounts()); count != 1 || len(w.Violations()) != 4 {
		t.Errorf("%d accounts, violations %q", count, w.Violations())
	}
	moved := person(1)
	moved.Email = "moved@example.com"
	if err := w.Put(moved); err != nil {
		t.Fatal(err)
	}
	if err := w.Put(organisation.Account{ID: "a", Email: person(1).Email}); err != nil {
		t.Errorf("an address that was left: %v", err)
	}
}

func TestAccountsAreCopies(t *testing.T) {
	locked := person(1)
	locked.Locks = map[string]string{"email.set": "externalDirectory.scim"}
	w := start(t, nil, locked)
	delete(locked.Locks, "email.set")
	got, _ := w.Account(locked.ID)
	delete(got.Locks, "email.set")
	w.call(http.StatusForbidden, http.MethodPut, manage(locked, "/email"), to("x@example.com"))
}

func TestEachCallHasOneEffect(t *testing.T) {
	const count = 40
	w := start(t, nil, people(count)...)
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() {
			// All want the same address: one gets it.
			for _, address := range []string{"shared@example.com", fmt.Sprintf("own.%d@example.com", i)} {
				if _, err := w.try(http.MethodPut, manage(person(i), "/email"), to(address)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	err := w.WaitFor(t.Context(), func() bool { return len(w.Calls()) == 2*count && answered(w.Calls()) })
	if err != nil {
		t.Fatal(err)
	}
	group.Wait()
	holds := make(map[string]string)
	for _, each := range w.Effects() {
		if each.To == "shared@example.com" && holds["shared"] != "" {
			t.Errorf("%s took an address that %s held", each.AccountID, holds["shared"])
		}
		if each.From == "shared@example.com" {
			holds["shared"] = ""
		}
		if each.To == "shared@example.com" {
			holds["shared"] = each.AccountID
		}
		holds[each.AccountID] = each.To
	}
	for i := range count {
		if now, _ := w.Account(person(i).ID); now.Email != holds[now.ID] || !strings.HasPrefix(now.Email, "own.") {
			t.Errorf("account %s has %q, its last effect says %q", now.ID, now.Email, holds[now.ID])
		}
	}
}

func answered(calls []organisation.Call) bool {
	for _, each := range calls {
		if each.Status == 0 {
			return false
		}
	}
	return true
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	w := start(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	if err := w.WaitFor(ctx, func() bool { return false }); !errors.Is(err, reason) {
		t.Errorf("error %v, want the context's cause", err)
	}
}

func TestPulsesAreCoalesced(t *testing.T) {
	w := start(t, nil)
	pulse, stop := w.Subscribe()
	for i := range 3 {
		if err := w.Put(person(i)); err != nil {
			t.Fatal(err)
		}
	}
	<-pulse
	select {
	case <-pulse:
		t.Error("a second pulse for what was read already")
	default:
	}
	stop()
	w.Remove(person(1).ID)
	select {
	case <-pulse:
		t.Error("a pulse after the end")
	default:
	}
}

func TestCallsAreRecorded(t *testing.T) {
	w := start(t, nil, person(1))
	w.call(http.StatusOK, http.MethodGet, manage(person(1), "?privileges=email.set"), nil)
	w.call(http.StatusNotFound, http.MethodGet, "/users/a%7Cb/manage", nil)
	var got []organisation.Call
	for _, each := range w.Calls() {
		if each.At.IsZero() {
			t.Errorf("no time in %+v", each)
		}
		each.At = organisation.Call{}.At
		got = append(got, each)
	}
	want := []organisation.Call{
		{Method: "GET", Path: "/users/" + person(1).ID + "/manage", Query: "privileges=email.set", Status: 200, KeyOK: true},
		{Method: "GET", Path: "/users/a%7Cb/manage", Status: 404, KeyOK: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	w.ResetCalls()
	if len(w.Calls()) != 0 {
		t.Error("calls after the reset")
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	for _, config := range []organisation.Config{
		{APIKey: key},
		{OrgID: orgID},
		{OrgID: orgID, APIKey: key, ScopedKeys: []string{key}},
		{OrgID: orgID, APIKey: key, PageSize: -1},
	} {
		if _, err := organisation.New(config); err == nil {
			t.Errorf("%+v: no error", config)
		} else if strings.Contains(err.Error(), key) {
			t.Errorf("the key is in %q", err)
		}
	}
}
