package atlassian_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/atlassian"
)

func TestCheckKey(t *testing.T) {
	t.Parallel()
	with := func(key string) func(*atlassian.Config) {
		return func(c *atlassian.Config) { c.Key = func() string { return key } }
	}
	app := person(0)
	app.Type = "app"
	accounts := append(people(45), app)
	for name, test := range map[string]struct {
		env       *env
		want      atlassian.KeyReport
		kind      atlassian.Kind
		operation string
	}{
		"good": {
			onSockets(t, nil, accounts...),
			atlassian.KeyReport{Works: true, OrgName: "Example", Domains: 2, Verified: 1, Accounts: 46},
			"", "",
		},
		"scoped": {
			onSockets(t, with(scopedKey), accounts...),
			atlassian.KeyReport{Scoped: true, OrgName: "Example", Domains: 2, Verified: 1, Accounts: 46},
			atlassian.KindKeyScoped, "read permissions",
		},
		"wrong":     {onSockets(t, with("another key"), accounts...), atlassian.KeyReport{}, atlassian.KindKeyRefused, "list domains"},
		"other org": {onSockets(t, func(c *atlassian.Config) { c.OrgID = "another" }, accounts...), atlassian.KeyReport{}, atlassian.KindForbidden, "list domains"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := test.env.client.CheckKey(t.Context())
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if atlassian.KindOf(err) != test.kind || (err == nil) != (test.kind == "") {
				t.Errorf("error %v, want kind %q", err, test.kind)
			}
			if e, ok := errors.AsType[*atlassian.Error](err); ok && e.Operation != test.operation {
				t.Errorf("failed at %q, want %q", e.Operation, test.operation)
			}
		})
	}
	t.Run("name not for this key", func(t *testing.T) {
		t.Parallel()
		w := onSockets(t, nil, accounts...)
		w.SetFaults(organisation.Faults{
			Before: organisation.On(http.MethodGet, "/orgs/"+testOrg, 0, organisation.Broken(http.StatusForbidden)),
		})
		if report, err := w.client.CheckKey(t.Context()); err != nil || !report.Works || report.OrgName != "" {
			t.Errorf("%+v, %v; want a key that works", report, err)
		}
	})
	t.Run("nobody to try it on", func(t *testing.T) {
		t.Parallel()
		w := onSockets(t, nil)
		if report, err := w.client.CheckKey(t.Context()); !errors.Is(err, atlassian.ErrNoAccounts) || report.Works {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
