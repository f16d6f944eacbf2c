package atlassian_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/atlassian"
)

func TestProfile(t *testing.T) {
	t.Parallel()
	stranger := person(2)
	stranger.Managed = false
	w := onSockets(t, nil, person(1), stranger)
	got, err := w.client.Profile(t.Context(), personID(1))
	want := atlassian.Profile{ID: personID(1), Type: "atlassian", Status: "active", Name: "Person 1", Email: "Person.1@example.com"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := w.client.Profile(t.Context(), personID(2)); atlassian.KindOf(err) != atlassian.KindNotFound {
		t.Errorf("account of others: %v", err)
	}
	if n := len(w.Calls()); n != 2 {
		t.Errorf("%d calls, want 2: a 404 is not asked again", n)
	}
	if diff := cmp.Diff([]atlassian.Call{{Operation: "read profile", Status: 200}, {Operation: "read profile", Status: 404}}, w.made(),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Took" }, cmp.Ignore())); diff != "" {
		t.Errorf("calls told (-want +got)\n%s", diff)
	}
}

func TestManage(t *testing.T) {
	t.Parallel()
	locked := person(1)
	locked.Locks = map[string]string{atlassian.PrivilegeEmail: "externalDirectory.scim"}
	w := onSockets(t, nil, locked)
	got, err := w.client.Manage(t.Context(), personID(1), atlassian.PrivilegeEmail, atlassian.PrivilegeEnablement)
	want := map[string]atlassian.Rule{atlassian.PrivilegeEmail: {Reason: "externalDirectory.scim"}, atlassian.PrivilegeEnablement: {Allowed: true}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if q := w.Calls()[0].Query; q != "privileges=email.set&privileges=lifecycle.enablement" {
		t.Errorf("query %q, want the parameter repeated", q)
	}
	if got, err := w.client.Manage(t.Context(), personID(1)); err != nil || got[atlassian.PrivilegeEmail].Allowed || len(got) < 2 {
		t.Errorf("all privileges: %v, %v", got, err)
	}
}

func TestReadAgain(t *testing.T) {
	profile := func(times int, f organisation.Fault) organisation.Faults {
		return organisation.Faults{Before: organisation.On(http.MethodGet, "/profile", times, f)}
	}
	inAnHour := organisation.Fault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"3600"}}}
	throttled := profile(0, organisation.Throttled(10*time.Second))
	for name, test := range map[string]struct {
		faults  organisation.Faults
		want    atlassian.Kind // "" when it works in the end
		calls   int            // at least
		longest time.Duration
	}{
		"5xx, then well":          {profile(2, organisation.Broken(503)), "", 3, 10 * time.Second},
		"cut, then well":          {profile(2, organisation.Drop()), "", 3, 10 * time.Second},
		"500 for ever":            {profile(0, organisation.Broken(500)), atlassian.KindUnavailable, 4, 10 * time.Second},
		"cut for ever":            {profile(0, organisation.Drop()), atlassian.KindUnavailable, 4, 10 * time.Second},
		"429 with seconds":        {profile(1, organisation.Throttled(40*time.Second)), "", 2, 41 * time.Second},
		"429 without":             {profile(3, organisation.ThrottledBare()), "", 4, 8 * time.Second},
		"429 for ever":            {throttled, atlassian.KindThrottled, 32, 6 * time.Minute},
		"401":                     {profile(0, organisation.Unauthorized()), atlassian.KindKeyRefused, 1, 0},
		"a late answer":           {profile(1, organisation.Late(20*time.Second)), "", 1, 20 * time.Second},
		"no answer for too long":  {profile(0, organisation.Hang(time.Hour)), atlassian.KindUnavailable, 1, 30 * time.Second},
		"wait is cut by a budget": {profile(0, inAnHour), atlassian.KindUnavailable, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := inBubble(t, person(1))
				w.SetFaults(test.faults)
				started := time.Now()
				_, err := w.client.Profile(t.Context(), personID(1))
				if took := time.Since(started); took > test.longest+time.Second {
					t.Errorf("took %v, want at most %v", took, test.longest)
				}
				if got := atlassian.KindOf(err); got != test.want || (err == nil) != (test.want == "") {
					t.Errorf("kind %q, want %q (%v)", got, test.want, err)
				}
				if n := len(w.Calls()); n < test.calls {
					t.Errorf("%d calls, want %d or more", n, test.calls)
				}
			})
		})
	}
}

// The wait for a reset goes by the other side's clock.
func TestThrottledUntilReset(t *testing.T) {
	for _, seconds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := inBubble(t, person(1))
			reset := time.Now().Add(2 * time.Minute)
			w.SetFaults(organisation.Faults{
				Before: organisation.On(http.MethodGet, "/profile", 1, organisation.ThrottledUntil(100, reset, seconds)),
			})
			if _, err := w.client.Profile(t.Context(), personID(1)); err != nil {
				t.Fatal(err)
			}
			// Without seconds the reset may have been rounded to the minute.
			if early := time.Until(reset); early > 0 && seconds || early > time.Minute {
				t.Errorf("asked again %v before the reset", early)
			}
			if late := time.Since(reset); late > 2*time.Minute {
				t.Errorf("asked again %v after the reset", late)
			}
		})
	}
}

func TestReadContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t, person(1))
		w.SetFaults(organisation.Faults{Before: organisation.On("", "", 0, organisation.Broken(500))})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		started := time.Now()
		_, err := w.client.Domains(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || atlassian.KindOf(err) != "" {
			t.Errorf("got %v, want the context's error as it is", err)
		}
		if took := time.Since(started); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

func TestManagedAccounts(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 20, 41, 250} {
		w := onSockets(t, nil, people(n)...)
		got := map[string]atlassian.ManagedAccount{}
		l, err := w.client.ManagedAccounts(t.Context())
		if err != nil || l.Announced != n {
			t.Fatalf("%d announced, %v", l.Announced, err)
		}
		for _, a := range l.Accounts {
			got[a.ID] = a
		}
		if len(got) != n {
			t.Errorf("%d accounts, want %d", len(got), n)
		}
		if n == 0 {
			continue
		}
		want := atlassian.ManagedAccount{
			ID: personID(1), Type: "atlassian", Status: "active", Name: "Person 1", Email: "Person.1@example.com", Billable: true,
			LastActive: "2026-11-20T08:00:00Z",
			Products:   []atlassian.ProductAccess{{Key: "jira-software", Name: "Jira", URL: "https://example.atlassian.net"}},
		}
		if diff := cmp.Diff(want, got[personID(1)]); diff != "" {
			t.Errorf("first account (-want +got)\n%s", diff)
		}
	}
}

// A page that fails for a while does not lose the list; one that fails for good ends it with an
// error.
func TestManagedAccountsOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t, people(60)...)
		var calls atomic.Int32
		outage := int32(6)
		w.SetFaults(organisation.Faults{Before: func(*http.Request) *organisation.Fault {
			if n := calls.Add(1); n > 1 && n <= 1+outage {
				return new(organisation.Broken(502))
			}
			return nil
		}})
		if l, err := w.client.ManagedAccounts(t.Context()); err != nil || len(l.Accounts) != 60 {
			t.Errorf("%d accounts, %v; want 60", len(l.Accounts), err)
		}
		outage = 1 << 30
		calls.Store(0)
		l, err := w.client.ManagedAccounts(t.Context())
		if len(l.Accounts) != 0 || atlassian.KindOf(err) != atlassian.KindUnavailable {
			t.Errorf("%d accounts, %v; want none, and unavailable", len(l.Accounts), err)
		}
	})
}

func TestPageLinks(t *testing.T) {
	t.Parallel()
	const list = "/admin/v1/orgs/" + testOrg + "/users"
	for name, test := range map[string]struct {
		next string // {base} is the server's own address
		ok   bool
	}{
		"absolute":                {"{base}" + list + "?cursor=2", true},
		"relative":                {list + "?cursor=2", true},
		"query only":              {"?cursor=2", true},
		"bare cursor":             {"2", true},
		"circle":                  {"{base}" + list + "?cursor=1", false},
		"another host":            {"http://evil.example" + list + "?cursor=2", false},
		"another scheme":          {"https:{rest}" + list + "?cursor=2", false},
		"host in the user part":   {"http://{host}@evil.example" + list + "?cursor=2", false},
		"another path":            {"{base}/users/a/manage/email?cursor=2", false},
		"a path that climbs":      {"{base}" + list + "/../domains?cursor=2", false},
		"a path that starts like": {"{base}" + list + "2?cursor=2", false},
		"nonsense":                {"http://%zz/", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			c, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
				if calls.Add(1); calls.Load() > 5 || r.URL.Path != list {
					http.Error(rw, r.URL.Path, http.StatusTeapot)
					return
				}
				next := strings.NewReplacer("{base}", "http://"+r.Host, "{host}", r.Host, "{rest}", "//"+r.Host).Replace(test.next)
				if r.URL.Query().Get("cursor") == "2" {
					next = ""
				}
				_, _ = fmt.Fprintf(rw, `{"data":[{"account_id":"a%d","account_status":"active"}],"links":{"next":%q}}`, calls.Load(), next)
			})
			var ids []string
			l, failed := c.ManagedAccounts(t.Context())
			for _, a := range l.Accounts {
				ids = append(ids, a.ID)
			}
			if test.ok && (failed != nil || len(ids) != 2) {
				t.Errorf("%v and %v, want two pages", ids, failed)
			}
			if !test.ok && atlassian.KindOf(failed) != atlassian.KindUnexpected {
				t.Errorf("%v and %v, want a refusal to follow", ids, failed)
			}
		})
	}
}

// An answer that is no JSON is a gateway's and is asked for again.
func TestAnswerCutOrForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c, err := atlassian.New(atlassian.Config{
			BaseURL: "http://atlassian.test", OrgID: testOrg, Key: func() string { return testKey }, Pace: fast,
			HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				calls++
				var body io.Reader = strings.NewReader(`{"account":{"account_id":"a","account_status":"active","email":"a@example.com"}}`)
				switch calls {
				case 1:
					body = strings.NewReader("<html>Bad gateway</html>")
				case 2:
					body = io.MultiReader(strings.NewReader(`{"acc`), broken{})
				}
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Profile(t.Context(), "a")
		if err != nil || p.Email != "a@example.com" || calls != 3 {
			t.Errorf("%+v, %v after %d calls", p, err, calls)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSearchUsers(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil, people(120)...)
	n := 0
	for u, err := range w.client.SearchUsers(t.Context(), atlassian.Find{Term: "person"}, 50) {
		if err != nil {
			t.Fatal(err)
		}
		if u.ClaimStatus != atlassian.ClaimManaged || u.AccountStatus != "active" || u.Email == "" {
			t.Fatalf("user %+v", u)
		}
		n++
	}
	if n != 120 || len(w.Calls()) != 3 {
		t.Errorf("%d users in %d calls, want 120 in 3", n, len(w.Calls()))
	}
	for _, bad := range []atlassian.Find{{}, {Emails: []string{"a@example.com"}, Term: "a"}, {Emails: make([]string, 101)}} {
		for _, err := range w.client.SearchUsers(t.Context(), bad, 50) {
			if err == nil {
				t.Errorf("accepted %+v", bad)
			}
		}
	}
	if u, err := w.client.DirectoryUser(t.Context(), personID(7)); err != nil || u.Name != "Person 7" {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := w.client.DirectoryUser(t.Context(), "nobody"); atlassian.KindOf(err) != atlassian.KindNotFound {
		t.Errorf("nobody: %v", err)
	}
}

func TestDirectoriesAndDomains(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil)
	for i := range 101 {
		w.AddDirectory(organisation.Directory{ID: fmt.Sprintf("dir-%d", i), Name: fmt.Sprintf("Directory %d", i)})
	}
	if all, err := w.client.Directories(t.Context()); err != nil || len(all) != 102 || all[101].Name != "Directory 100" {
		t.Errorf("%d directories, %v", len(all), err)
	}
	for i := range 30 {
		w.AddDomain(organisation.Domain{Name: fmt.Sprintf("d%d.example", i), Status: "missing_token"})
	}
	all, err := w.client.Domains(t.Context())
	if err != nil || len(all) != 32 || all[0].Status != atlassian.DomainVerified || all[31].Status != "missing_token" {
		t.Errorf("%d domains, %v", len(all), err)
	}
}

// A cursor that comes again would make a list without end.
func TestCursorCircles(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"data":[{"accountId":"a","directoryId":"d"}],"links":{"next":"again"}}`)
	})
	n := 0
	var failed error
	for _, err := range c.SearchUsers(t.Context(), atlassian.Find{Term: "a"}, 10) {
		if failed = err; err == nil {
			n++
		}
	}
	if n != 2 || atlassian.KindOf(failed) != atlassian.KindUnexpected {
		t.Errorf("search: %d users, then %v", n, failed)
	}
	if _, err := c.Directories(t.Context()); atlassian.KindOf(err) != atlassian.KindUnexpected {
		t.Errorf("directories: %v", err)
	}
}
