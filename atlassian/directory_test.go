package atlassian_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow/policy"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
)

func TestDirectoryReads(t *testing.T) {
	t.Parallel()
	stranger := person(2)
	stranger.Managed = false
	locked := person(3)
	locked.Status = "inactive"
	locked.Locks = map[string]string{atlassian.PrivilegeEmail: "externalDirectory.scim"}
	w := onSockets(t, nil, person(1), stranger, locked)

	got, err := w.directory.Account(t.Context(), personID(3))
	want := workflow.Account{
		ID: personID(3), Name: "Person 3", Email: "Person.3@example.com", Type: "atlassian",
		Status: workflow.StatusInactive, Managed: true,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("account: %v (-want +got)\n%s", err, diff)
	}
	for _, id := range []string{personID(2), "nobody"} {
		if _, err := w.directory.Account(t.Context(), id); !errors.Is(err, workflow.ErrNotFound) {
			t.Errorf("account %s: %v, want not found", id, err)
		}
	}
	privileges, err := w.directory.Privileges(t.Context(), personID(3), "email.set", "lifecycle.enablement")
	wantPrivileges := map[string]workflow.Privilege{
		"email.set": {Key: "externalDirectory.scim"}, "lifecycle.enablement": {Allowed: true},
	}
	if diff := cmp.Diff(wantPrivileges, privileges); err != nil || diff != "" {
		t.Errorf("privileges: %v (-want +got)\n%s", err, diff)
	}
	domains, err := w.directory.Domains(t.Context())
	wantDomains := []workflow.DomainClaim{
		{Name: "example.com", Verified: true, Status: "verified"}, {Name: "pending.example", Status: "unverified"},
	}
	if diff := cmp.Diff(wantDomains, domains); err != nil || diff != "" {
		t.Errorf("domains: %v (-want +got)\n%s", err, diff)
	}
	found, err := w.directory.Search(t.Context(), " person.2@ ", 10)
	if err != nil || len(found) != 1 || found[0].Managed || found[0].ID != personID(2) {
		t.Errorf("search: %+v, %v", found, err)
	}
	if found, err = w.directory.Search(t.Context(), "person", 2); err != nil || len(found) != 2 {
		t.Errorf("search with a limit: %+v, %v", found, err)
	}
}

func TestByAddress(t *testing.T) {
	t.Parallel()
	all := people(450)
	all[1].Managed = false
	all[2].Hidden = true
	w := onSockets(t, nil, all...)
	var ask []string
	for i := range all {
		ask = append(ask, strings.ToLower(all[i].Email))
	}
	ask = append(ask, "", "  ", "no address", "two words@example.com", "nobody@example.com", " PERSON.1@EXAMPLE.COM ")
	got, err := w.directory.ByAddress(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 449 {
		t.Errorf("%d addresses found, want 449", len(got))
	}
	want := []workflow.Account{{
		ID: personID(2), Name: "Person 2", Email: "Person.2@example.com", Type: "atlassian", Status: workflow.StatusActive,
		RolesKnown: true,
	}}
	if diff := cmp.Diff(want, got["person.2@example.com"]); diff != "" {
		t.Errorf("unmanaged account (-want +got)\n%s", diff)
	}
	if _, ok := got["person.3@example.com"]; ok {
		t.Error("found an account that no search shows")
	}
	if n := len(w.Calls()); n != 5 {
		t.Errorf("%d calls, want 100 addresses in each", n)
	}
	if got, err := w.directory.ByAddress(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
}

func TestByID(t *testing.T) {
	t.Parallel()
	all := people(95)
	all[1].Managed = false
	all[2].Hidden = true
	all[3].Status = "inactive"
	w := onSockets(t, nil, all...)
	ask := []string{"", "no id/at all", "712020:nobody", personID(1)}
	for i := range all {
		ask = append(ask, all[i].ID)
	}
	got, err := w.directory.ByID(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 94 {
		t.Errorf("%d accounts found, want 94: all but the hidden one", len(got))
	}
	want := map[string]workflow.Account{
		personID(2): {
			ID: personID(2), Name: "Person 2", Email: "Person.2@example.com", Type: "atlassian", Status: workflow.StatusActive,
			RolesKnown: true,
		},
		personID(4): {
			ID: personID(4), Name: "Person 4", Email: "Person.4@example.com", Type: "atlassian", Managed: true,
			Status: workflow.StatusInactive, RolesKnown: true,
		},
	}
	some := map[string]workflow.Account{personID(2): got[personID(2)], personID(4): got[personID(4)]}
	if diff := cmp.Diff(want, some); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := len(w.Calls()); n != 10 {
		t.Errorf("%d calls for 96 ids, want 10 ids in each", n)
	}
	if got, err := w.directory.ByID(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
}

// Many ids are looked for among all accounts, as long as that is worth it.
func TestByIDOfMany(t *testing.T) {
	t.Parallel()
	all := people(3000)
	all[7].Managed = false
	all[8].Hidden = true
	for name, test := range map[string]struct {
		every, found, calls int
	}{
		"all":                  {1, 2999, 30 + 1}, // the pages; then the two that are not among them
		"one of 15, 10 a call": {15, 200, 5 + 17}, // five pages find 34
		"one of 5":             {5, 600, 30},      // the last page has no next one
		"too few to try":       {30, 100, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSockets(t, nil, all...)
			var ask []string
			for i := 0; i < len(all); i += test.every {
				ask = append(ask, all[i].ID)
			}
			got, err := w.directory.ByID(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(w.Calls()); len(got) != test.found || n != test.calls {
				t.Errorf("%d accounts of %d in %d calls, want %d in %d", len(got), len(ask), n, test.found, test.calls)
			}
		})
	}
}

// A search that answers in pages is followed, and what was not asked for is left out.
func TestByIDFollowsPages(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"cursor":"more"`) {
			_, _ = rw.Write([]byte(`{"data":[{"accountId":"2","accountStatus":"inactive","status":"for_deletion"}],"links":{}}`))
			return
		}
		_, _ = rw.Write([]byte(`{"data":[{"accountId":"1"},{"accountId":"9"}],"links":{"next":"more"}}`))
	})
	got, err := atlassian.NewDirectory(c).ByID(t.Context(), []string{"1", "2", "3"})
	want := map[string]workflow.Account{"1": {ID: "1", RolesKnown: true}, "2": {ID: "2", RolesKnown: true, Status: workflow.StatusDeleting}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// A search that answers more than it was asked must not pick the wrong account.
// An account is found by any spelling of its address, whichever of them Atlassian has.
func TestByAddressInAnySpelling(t *testing.T) {
	t.Parallel()
	all := people(3)
	all[0].Email, all[1].Email, all[2].Email = "lea@b\u00fccher.example", "ada@xn--bcher-kva.example", "jose\u0301@old.example"
	w := onSockets(t, nil, all...)
	for _, ask := range []string{
		"LEA@xn--bcher-kva.example", "lea@b\u00fccher.example", "ada@B\u00dcCHER.example", "jos\u00e9@old.example", "jose\u0301@old.example",
	} {
		got, err := w.directory.ByAddress(t.Context(), []string{ask})
		if found := got[workflow.AddressKey(ask)]; err != nil || len(found) != 1 {
			t.Errorf("%q: %+v, %v; want one account", ask, got, err)
		}
	}
}

func TestByAddressIsExact(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"data":[
			{"accountId":"2","email":"ann@example.com","accountStatus":"active","status":"for_deletion"},
			{"accountId":"1","email":"Ann@Example.com","accountStatus":"active"},
			{"accountId":"1","email":"Ann@Example.com","accountStatus":"active"},
			{"accountId":"3","email":"joann@example.com"},
			{"accountId":"4"}]}`))
	})
	got, err := atlassian.NewDirectory(c).ByAddress(t.Context(), []string{"ann@example.com"})
	want := map[string][]workflow.Account{"ann@example.com": {
		{ID: "1", RolesKnown: true, Email: "Ann@Example.com", Status: workflow.StatusActive},
		{ID: "2", RolesKnown: true, Email: "ann@example.com", Status: workflow.StatusDeleting},
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// What a plan costs, in calls a row: the privileges of each account, a tenth of a search by id or a
// hundredth of one by address, two where the case of the letters has to be tried too.
func TestCallsOfAPlan(t *testing.T) {
	t.Parallel()
	all := people(1000)
	for i := range all {
		all[i].Email = strings.ToLower(all[i].Email)
	}
	for name, test := range map[string]struct {
		row  func(organisation.Account) workflow.Row
		most int // calls, with the one that lists the domains
	}{
		"deactivate by id": {func(a organisation.Account) workflow.Row {
			return workflow.Row{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, a.ID)}
		}, 1100},
		"rename by id": {func(a organisation.Account) workflow.Row {
			return workflow.Row{
				Action: workflow.Rename,
				Values: workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnNewEmail, "new."+a.Email),
			}
		}, 1111},
		"rename by id and address": {func(a organisation.Account) workflow.Row {
			return workflow.Row{
				Action: workflow.Rename,
				Values: workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnEmail, a.Email).
					With(workflow.ColumnNewEmail, "new."+a.Email),
			}
		}, 1021},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSockets(t, nil, all...)
			var rows []workflow.Row
			for i, a := range all {
				r := test.row(a)
				r.Line = i + 2
				rows = append(rows, r)
			}
			plan, err := (&plan.Checker{
				Reader: w.directory, Workers: 8, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil),
			}).Check(t.Context(), rows)
			if err != nil || plan.Ready() != len(rows) {
				t.Fatalf("%d rows ready, %v; want all", plan.Ready(), err)
			}
			if n := len(w.Calls()); n > test.most {
				t.Errorf("%d calls for %d rows, want at most %d", n, len(rows), test.most)
			}
		})
	}
}

func TestByAddressFails(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil, people(5)...)
	w.SetFaults(organisation.Faults{Before: organisation.On(http.MethodPost, "/search", 1, organisation.Unauthorized())})
	var ask []string
	for i := range 1000 {
		ask = append(ask, fmt.Sprintf("person.%d@example.com", i))
	}
	if got, err := w.directory.ByAddress(t.Context(), ask); !errors.Is(err, workflow.ErrKeyRefused) || got != nil {
		t.Errorf("%d found, %v; want the key refused and nothing", len(got), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.directory.ByAddress(ctx, ask); !errors.Is(err, context.Canceled) || atlassian.KindOf(err) != "" {
		t.Errorf("%v, want the context's error as it is", err)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil, people(45)...)
	var ids []string
	for m, err := range w.directory.Members(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !m.Managed || !m.Billable || len(m.Products) != 1 || m.Products[0].Name != "Jira" || m.LastActive == "" {
			t.Errorf("member %+v", m)
		}
		ids = append(ids, m.ID)
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != 45 {
		t.Errorf("%d members, want 45", len(ids))
	}
	for _, err := range w.directory.Members(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		break // a reader may stop
	}
	w.SetKey("another")
	var last error
	for _, err := range w.directory.Members(t.Context()) {
		last = err
	}
	if !errors.Is(last, workflow.ErrKeyRefused) {
		t.Errorf("ended with %v, want the key refused", last)
	}
}

// The refusals as they come from an organisation that behaves like the real one.
func TestRefusals(t *testing.T) {
	t.Parallel()
	locked := person(1)
	locked.Locks = map[string]string{
		atlassian.PrivilegeEmail: "externalDirectory.google", atlassian.PrivilegeEnablement: "administrative.notMyself",
	}
	billing := person(2)
	billing.LifecycleErrors = []organisation.LifecycleError{
		{Code: "last-admin", Message: "name another admin", Link: "https://x.example"}, {Code: "open-invoice", Message: "pay it"},
	}
	unverified := person(3)
	unverified.Unverified = true
	hidden := person(5)
	hidden.Hidden = true
	stranger := person(6)
	stranger.Managed = false
	w := onSockets(t, nil, locked, billing, unverified, person(4), hidden, stranger)
	d, ctx := w.directory, t.Context()
	for name, test := range map[string]struct {
		err  error
		want workflow.Reason
	}{
		"synced": {
			d.SetEmail(ctx, personID(1), "a@example.com"),
			workflow.NewReason(workflow.ReasonNotAllowed, "rename", "externalDirectory.google"),
		},
		"not myself": {
			d.Deactivate(ctx, personID(1), "bye"),
			workflow.NewReason(workflow.ReasonNotAllowed, "deactivate", "administrative.notMyself"),
		},
		"domain": {
			d.SetEmail(ctx, personID(4), "a@other.example"), workflow.NewReason(workflow.ReasonUnverified, "other.example"),
		},
		"taken": {
			d.SetEmail(ctx, personID(4), "person.2@example.com"),
			workflow.NewReason(workflow.ReasonCollision, "person.2@example.com"),
		},
		"taken by somebody hidden": {
			d.SetEmail(ctx, personID(4), "Person.5@example.com"),
			workflow.NewReason(workflow.ReasonCollision, "Person.5@example.com"),
		},
		"value": {
			d.SetEmail(ctx, personID(4), strings.Repeat("a", 256)+"@example.com"),
			workflow.NewReason(workflow.ReasonInvalid, "email: partMaxLength"),
		},
		"billing": {
			d.Deactivate(ctx, personID(2), ""),
			workflow.NewReason(
				workflow.ReasonLifecycle, "last-admin, open-invoice", "name another admin; pay it", "https://x.example",
			),
		},
		"account not verified": {
			d.SetEmail(ctx, personID(3), "a@example.com"),
			workflow.NewReason(workflow.ReasonRefused, "403", "forbidden.targetUnverified"),
		},
		"an id that cannot be": {
			d.Activate(ctx, "a/b"), workflow.NewReason(workflow.ReasonInvalid, "account_id: validCharacters"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusal, ok := errors.AsType[*workflow.Refusal](test.err)
			if !ok {
				t.Fatalf("%v is no refusal", test.err)
			}
			if diff := cmp.Diff(test.want, refusal.Reason); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, ok := errors.AsType[*atlassian.Error](test.err); !ok {
				t.Error("what the client saw is not underneath")
			}
		})
	}
	for _, id := range []string{personID(6), "nobody"} {
		if err := d.SetEmail(ctx, id, "b@example.com"); !errors.Is(err, workflow.ErrNotFound) {
			t.Errorf("account %s: %v, want not found", id, err)
		}
	}
	if n := len(w.Effects()); n != 0 {
		t.Errorf("%d effects, want none: %+v", n, w.Effects())
	}
	w.SetCollision(organisation.Collision{Status: http.StatusConflict})
	err := d.SetEmail(ctx, personID(4), "person.2@example.com")
	if r, ok := errors.AsType[*workflow.Refusal](err); !ok || r.Reason.Code != workflow.ReasonCollision {
		t.Errorf("taken, by 409: %v", err)
	}
}

// kinds are all that a caller tells apart, in the order in which it should ask.
var kinds = []error{
	workflow.ErrNotFound, workflow.ErrKeyRefused, workflow.ErrKeyScoped, workflow.ErrThrottled, workflow.ErrNotSent,
	workflow.ErrUnavailable, workflow.ErrUnknownOutcome,
}

// Every status and every sort of failure has one meaning for a write and one for a read.
func TestKinds(t *testing.T) {
	drop, late := organisation.Drop(), organisation.Late(time.Minute)
	throttled := organisation.Throttled(7 * time.Second)
	for name, test := range map[string]struct {
		fault       organisation.Fault
		write, read []error
	}{
		"cut":     {drop, []error{workflow.ErrUnknownOutcome}, []error{workflow.ErrUnavailable}},
		"timeout": {late, []error{workflow.ErrUnknownOutcome}, []error{workflow.ErrUnavailable}},
		"500":     {organisation.Broken(500), []error{workflow.ErrUnknownOutcome}, []error{workflow.ErrUnavailable}},
		"502":     {organisation.Broken(502), []error{workflow.ErrUnknownOutcome}, []error{workflow.ErrUnavailable}},
		"503":     {organisation.Broken(503), []error{workflow.ErrUnknownOutcome}, []error{workflow.ErrUnavailable}},
		"504":     {organisation.Broken(504), []error{workflow.ErrUnknownOutcome}, []error{workflow.ErrUnavailable}},
		"429":     {throttled, []error{workflow.ErrThrottled}, []error{workflow.ErrThrottled, workflow.ErrUnavailable}},
		"401":     {organisation.Unauthorized(), []error{workflow.ErrKeyRefused}, []error{workflow.ErrKeyRefused}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := inBubble(t, person(1))
				w.SetFaults(organisation.Faults{Before: organisation.On("", "", 0, test.fault)})
				write := w.directory.SetEmail(t.Context(), personID(1), "new@example.com")
				var after workflow.RetryAfter
				if ok := errors.As(write, &after); ok != (name == "429") || ok && after.RetryAfter() != 7*time.Second {
					t.Errorf("write %v: when to come back: %v", write, ok)
				}
				_, read := w.directory.Account(t.Context(), personID(1))
				for _, kind := range kinds {
					if got, want := errors.Is(write, kind), slices.Contains(test.write, kind); got != want {
						t.Errorf("write %v: is %q: %v", write, kind, got)
					}
					if got, want := errors.Is(read, kind), slices.Contains(test.read, kind); got != want {
						t.Errorf("read %v: is %q: %v", read, kind, got)
					}
				}
				time.Sleep(2 * time.Minute) // of the bubble: late calls arrive before it ends
			})
		})
	}
}

func TestScopedKey(t *testing.T) {
	t.Parallel()
	w := onSockets(t, func(c *atlassian.Config) { c.Key = func() string { return scopedKey } }, person(1))
	if _, err := w.directory.Account(t.Context(), personID(1)); !errors.Is(err, workflow.ErrKeyScoped) {
		t.Errorf("read: %v", err)
	}
	if err := w.directory.Activate(t.Context(), personID(1)); !errors.Is(err, workflow.ErrKeyScoped) {
		t.Errorf("write: %v", err)
	}
	if _, err := w.directory.Domains(t.Context()); err != nil {
		t.Errorf("domains: %v", err)
	}
}

// An organisation that the key may not read is no account that is not found.
func TestOrganisationNotFound(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, `{"errors":[{"code":"ADMIN-404-2"}]}`, http.StatusNotFound)
	})
	_, err := atlassian.NewDirectory(c).Domains(t.Context())
	r, ok := errors.AsType[*workflow.Refusal](err)
	if !ok || errors.Is(err, workflow.ErrNotFound) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if diff := cmp.Diff(workflow.NewReason(workflow.ReasonRefused, "404", "ADMIN-404-2"), r.Reason); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
