package atlassian_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/sandbox/site"
	"github.com/rs/zerolog"
)

const (
	siteEmail = "admin@example.com"
	siteToken = "ATATT-the-token-of-these-tests"
	siteGroup = "33333333-2222-3333-4444-555555555555"
)

// newSite has a group and so many users, the first of whom is in it.
func newSite(t testing.TB, users int) *site.Site {
	t.Helper()
	s, err := site.New(site.Config{URL: "https://one.atlassian.test", Email: siteEmail, Token: siteToken})
	if err != nil {
		t.Fatal(err)
	}
	s.AddGroup(site.Group{ID: siteGroup, Name: "Jira users"})
	for i := range users {
		u := site.User{
			AccountID: personID(i), Name: fmt.Sprintf("Person %d", i), Email: fmt.Sprintf("person.%d@example.com", i),
			Username: fmt.Sprintf("p%d", i), Key: fmt.Sprintf("JIRAUSER%d", i),
		}
		if i == 0 {
			u.Groups, u.Columns = []string{siteGroup}, []string{"summary"}
		}
		if err := s.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, v := range s.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
	return s
}

func siteClient(t testing.TB, base string, transport http.RoundTripper, log zerolog.Logger) *atlassian.Site {
	t.Helper()
	s, err := atlassian.NewSite(
		atlassian.SiteConfig{Name: "one", URL: base, Email: siteEmail, Token: func() string { return siteToken }},
		atlassian.Config{HTTP: &http.Client{Transport: transport}, Log: log, Workers: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Jira's limits are by the second, while their headers say the next full minute: calls must neither
// wait for that nor run into 429 for long.
func TestSiteLimits(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]site.Limit{
		"published":         site.Published(),
		"no Retry-After":    {Reads: 100, Writes: 50},
		"a quota, by reset": {Reads: 5, Reason: "jira-quota-tenant-based"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const users = 600
				s := newSite(t, users)
				s.SetLimit(limit)
				c := siteClient(t, "https://one.atlassian.test", s.Transport(), zerolog.Nop())
				began := time.Now()
				calls := users
				if strings.HasPrefix(name, "a quota") {
					calls = 8
				}
				results := make(chan error)
				for i := range calls {
					go func() {
						_, err := c.User(t.Context(), personID(i))
						results <- err
					}()
				}
				for range calls {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
				throttled := 0
				for _, call := range s.Calls() {
					if call.Status == http.StatusTooManyRequests {
						throttled++
					}
				}
				took := time.Since(began)
				t.Logf("%d reads took %s, %d were throttled", calls, took, throttled)
				if calls == users && (took > 30*time.Second || throttled > users/10) {
					t.Errorf("%d reads took %s, %d of them were throttled", calls, took, throttled)
				}
				if calls != users && took < 5*time.Second {
					t.Errorf("a quota was not waited for: %s", took)
				}
			})
		})
	}
}

// All users of a site are read page by page, to the empty one, and one who may not look is told so.
func TestSiteUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 401)
		d := atlassian.NewDirectory(nil, siteClient(t, "https://one.atlassian.test", s.Transport(), zerolog.Nop()))
		n := 0
		for u, err := range d.SiteMembers(t.Context(), "one") {
			if err != nil {
				t.Fatal(err)
			}
			if want := personID(n); u.ID != want || !u.Active || u.Name != fmt.Sprintf("Person %d", n) {
				t.Errorf("user %d is %+v", n, u)
			}
			n++
		}
		if n != 401 || len(s.Calls()) != 4 {
			t.Errorf("%d users in %d calls, want 401 in 4", n, len(s.Calls()))
		}
		for _, err := range d.SiteMembers(t.Context(), "two") {
			if err == nil {
				t.Error("a site that there is not has users")
			}
		}
	})
}

// Neither the token nor what the header makes of it gets into errors or logs, also when the other
// side repeats it.
func TestSiteSecrets(t *testing.T) {
	t.Parallel()
	coded := base64.StdEncoding.EncodeToString([]byte(siteEmail + ":" + siteToken))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(rw, `{"errorMessages":[%q,%q]}`, r.Header.Get("Authorization"), siteToken)
	}))
	t.Cleanup(server.Close)
	log := &logged{}
	c := siteClient(t, server.URL, nil, zerolog.New(log))
	_, err := c.User(t.Context(), personID(1))
	said := fmt.Sprint(err, c.Delete(t.Context(), personID(1)), log)
	if !strings.Contains(said, "[secret]") || strings.Contains(said, siteToken) || strings.Contains(said, coded) {
		t.Errorf("said: %s", said)
	}
}

// What a site answers is believed when it holds what it must: a user without active could pass for
// taken off, and a page that ends too soon for all groups.
func TestSiteAnswersNeedTheirFields(t *testing.T) {
	const user = `{"accountId":"712020:1","displayName":"Ann","active":true}`
	for name, test := range map[string]struct {
		good string
		bad  []string
		read func(context.Context, *atlassian.Site) error
	}{
		"user": {
			user,
			[]string{
				`{"accountId":"712020:1","displayName":"Ann"}`, `{"accountId":"712020:1","active":null}`, `{"active":false}`,
				`{"accountId":"712020:2","active":false}`, `[` + user + `]`, `{"errorMessages":["busy"]}`,
			},
			func(ctx context.Context, s *atlassian.Site) error {
				u, err := s.User(ctx, "712020:1")
				if err == nil && !u.Active {
					return errors.New("the user is not active")
				}
				return err
			},
		},
		"groups of a user": {
			`[{"groupId":"g","name":"finance"}]`,
			[]string{`[{"name":"finance"}]`, `[{"groupId":"g"}]`, `[null]`, `{"values":[]}`},
			func(ctx context.Context, s *atlassian.Site) error {
				_, err := s.GroupsOf(ctx, "712020:1")
				return err
			},
		},
		"groups": {
			`{"isLast":true,"total":1,"values":[{"groupId":"g","name":"finance"}]}`,
			[]string{
				`{"isLast":true}`, `{"values":[]}`, `{"isLast":true,"values":null}`, `{"isLast":true,"values":[{"name":"finance"}]}`,
				`{"isLast":true,"values":[{"groupId":"g"}]}`, `{"isLast":false,"values":[]}`, `{"isLast":true,"total":1,"values":[]}`,
			},
			func(ctx context.Context, s *atlassian.Site) error {
				groups, err := s.Groups(ctx, []string{"finance"}, nil)
				if err == nil && len(groups) == 0 {
					return errors.New("there is no group")
				}
				return err
			},
		},
		"users found": {
			`[` + user + `]`,
			[]string{`[{"accountId":"712020:1"}]`, `[{"active":true}]`, `[null]`, `{}`, `null`},
			func(ctx context.Context, s *atlassian.Site) error {
				_, err := s.Find(ctx, "ann", 5)
				return err
			},
		},
	} {
		for _, bad := range append([]string{`{}`, `null`, `{"code":500}`, ``, `<html>`}, test.bad...) {
			t.Run(name+" "+bad, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client := func(all ...string) *atlassian.Site {
						return siteClient(t, "https://one.atlassian.test", &bodies{all: all}, zerolog.Nop())
					}
					if err := test.read(t.Context(), client(test.good)); err != nil {
						t.Errorf("a good answer: %v", err)
					}
					err := test.read(t.Context(), client(bad))
					if kind := atlassian.KindOf(err); kind != atlassian.KindIncomplete && kind != atlassian.KindUnavailable {
						t.Errorf("it stays bad: %v", err)
					}
				})
			})
		}
	}
}
