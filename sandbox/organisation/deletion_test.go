package organisation_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

// bubbleWorld makes a world in fake time, without a socket.
func bubbleWorld(t *testing.T, accounts []organisation.Account, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o, err := organisation.New(organisation.Config{
			OrgID: orgID, APIKey: key, ScopedKeys: []string{scopedKey}, FirstDirectory: "dir-1",
		})
		if err != nil {
			t.Fatal(err)
		}
		o.AddDomain(organisation.Domain{Name: "example.com", Verified: true})
		for _, each := range accounts {
			if err := o.Put(each); err != nil {
				t.Fatal(err)
			}
		}
		f(&world{
			Organisation: o, t: t, url: "http://atlassian.test", key: key,
			client: &http.Client{Transport: o.Transport()},
		})
	})
}

// found returns the account as a search by id shows it in a directory, or nil.
func (w *world) found(directory string, account organisation.Account) any {
	w.t.Helper()
	page := w.call(http.StatusOK, http.MethodPost, admin("v2", "/directories/"+directory+"/users/search"),
		fields{"accountIds": []string{account.ID}})
	data, _ := get(w.t, page.body, "data").([]any)
	if len(data) == 0 {
		return nil
	}
	return data[0]
}

func TestDeletionHasGrace(t *testing.T) {
	bubbleWorld(t, people(3), func(w *world) {
		leaver := person(1)
		w.call(http.StatusOK, http.MethodPost, manage(leaver, "/lifecycle/delete"), nil)
		shown := w.found("-", leaver)
		for name, want := range map[string]any{"status": "for_deletion", "accountStatus": "inactive", "email": leaver.Email} {
			if got := get(t, shown, name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		rights := w.call(http.StatusOK, http.MethodGet, manage(leaver, "?privileges=lifecycle.enablement"), nil)
		if get(t, rights.body, "lifecycle.enablement", "allowed") != false {
			t.Error("an account in deletion may be enabled")
		}
		w.call(http.StatusForbidden, http.MethodPost, manage(leaver, "/lifecycle/enable"), nil)
		w.call(http.StatusForbidden, http.MethodPost, manage(leaver, "/lifecycle/delete"), nil)
		w.call(http.StatusBadRequest, http.MethodPut, manage(person(2), "/email"), to(leaver.Email)) // held

		time.Sleep(organisation.Grace - time.Second) // fake time
		w.call(http.StatusOK, http.MethodPost, manage(leaver, "/lifecycle/cancel-delete"), nil)
		if got := get(t, w.found("-", leaver), "status"); got != "active" {
			t.Errorf("status is %v after the deletion was cancelled", got)
		}
		w.call(http.StatusNotFound, http.MethodPost, manage(leaver, "/lifecycle/cancel-delete"), nil)

		w.call(http.StatusOK, http.MethodPost, manage(leaver, "/lifecycle/delete"), nil)
		time.Sleep(organisation.Grace)
		w.call(http.StatusNotFound, http.MethodPost, manage(leaver, "/lifecycle/cancel-delete"), nil)
		w.call(http.StatusNotFound, http.MethodGet, manage(leaver, "/profile"), nil)
		w.call(http.StatusNoContent, http.MethodPut, manage(person(2), "/email"), to(leaver.Email)) // free
		var kinds []string
		for _, each := range w.Effects() {
			kinds = append(kinds, each.Kind)
		}
		if diff := cmp.Diff([]string{"delete", "cancel-delete", "delete", "email"}, kinds); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
		w.noViolations()
	})
}

// Someone who was deactivated before comes back active.
func TestCancelDeletionActivates(t *testing.T) {
	was := person(1)
	was.Status = "inactive"
	bubbleWorld(t, []organisation.Account{was}, func(w *world) {
		w.call(http.StatusOK, http.MethodPost, manage(was, "/lifecycle/delete"), `{}`)
		w.call(http.StatusOK, http.MethodPost, manage(was, "/lifecycle/cancel-delete"), `{}`)
		if got, _ := w.Account(was.ID); got.Status != "active" || !got.DeleteOn.IsZero() {
			t.Errorf("account %+v", got)
		}
	})
}

func TestLifecycleConflicts(t *testing.T) {
	billing, owner := person(1), person(2)
	billing.LifecycleErrors = []organisation.LifecycleError{{Code: "last-billing-admin", Link: "https://admin.example"}}
	owner.LifecycleErrors = []organisation.LifecycleError{
		{Code: "site-owner", Message: "Owns a site", Calls: []string{"delete"}}, {Code: "export", Calls: []string{"enable"}},
	}
	w := start(t, nil, billing, owner)
	for _, test := range []struct {
		account organisation.Account
		call    string
		want    []any
	}{
		{billing, "disable", []any{fields{"code": "last-billing-admin", "link": "https://admin.example"}}},
		{billing, "delete", []any{fields{"code": "last-billing-admin", "link": "https://admin.example"}}},
		{billing, "enable", nil},
		{owner, "disable", nil},
		{owner, "enable", []any{fields{"code": "export"}}},
		{owner, "delete", []any{fields{"code": "site-owner", "message": "Owns a site"}}},
	} {
		answer, err := w.try(http.MethodPost, manage(test.account, "/lifecycle/"+test.call), `{}`)
		if err != nil {
			t.Fatal(err)
		}
		codes, _ := get(t, answer.body, "context", "errorCodes").([]any)
		if diff := cmp.Diff(test.want, codes); diff != "" || (len(test.want) > 0) != (answer.status == http.StatusConflict) {
			t.Errorf("%s of %s: status %d, codes (-want +got):\n%s", test.call, test.account.Name, answer.status, diff)
		}
	}
}

// An account may come into the organisation with its deletion scheduled already.
func TestDeletionIsScheduledBefore(t *testing.T) {
	bubbleWorld(t, people(1), func(w *world) {
		leaver := person(5)
		leaver.DeleteOn = time.Now().Add(time.Hour)
		if err := w.Put(leaver); err != nil {
			t.Fatal(err)
		}
		if got := get(t, w.found("-", leaver), "status"); got != "for_deletion" {
			t.Errorf("status is %v", got)
		}
		time.Sleep(time.Hour) // fake time
		if w.found("-", leaver) != nil {
			t.Error("the account is still there after its time")
		}
		if _, held := w.Holder(leaver.Email); held {
			t.Error("its address is still held")
		}
	})
}
