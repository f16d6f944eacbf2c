package simulation

import (
	"net/http"
	"slices"
	"strings"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/site"
	network "github.com/countersign/countersign/sandbox/wire"
	"github.com/countersign/countersign/settings"
)

// The Jira site of the scenarios: a place with its own key, faults and limits.
const (
	simSite      = "main"
	simSiteHost  = "jira.test"
	simSiteEmail = "jira-admin@old.example"
	simSiteToken = "ATATT-simulated"
	simSiteGroup = "33333333-4444-4444-8444-000000000001"
)

// addSite gives everybody who is in the organisation a site; every third has columns of their own.
func (s *scenario) addSite() {
	jira, err := site.New(site.Config{
		URL: "http://" + simSiteHost, Email: simSiteEmail, Token: simSiteToken, Admit: s.org.Admit,
		Profile: func(id string) (name, address string, active, known bool) {
			a, known := s.org.Account(id)
			return a.Name, a.Email, a.Status == "active", known
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.site = jira
	jira.AddGroup(site.Group{ID: simSiteGroup, Name: "Jira people"})
	for i, a := range s.org.Accounts() {
		u := site.User{AccountID: a.ID}
		if i%3 == 0 {
			u.Groups, u.Columns = []string{simSiteGroup}, []string{"summary", "labels"}
		}
		if err := jira.AddUser(u); err != nil {
			s.t.Fatal(err)
		}
	}
	if s.more.IntN(2) == 0 {
		jira.SetLimit(site.Published())
	}
}

// siteSettings are the site as the settings name it.
func siteSettings() []settings.Site {
	return []settings.Site{{
		Name: simSite, URL: "http://" + simSiteHost, Email: simSiteEmail, APIToken: settings.NewSecret(simSiteToken),
	}}
}

// siteFaults are those on the way to the site and back.
func siteFaults(f organisation.Faults) network.Faults {
	return network.Faults{Latency: f.Latency, Before: f.Before, After: f.After}
}

// atlassian is the way to the organisation, to the site and to the SCIM directory.
func (s *scenario) atlassian() http.RoundTripper {
	org, jira, records := s.org.Transport(), s.site.Transport(), s.scim.Transport()
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == simSiteHost {
			return jira.RoundTrip(r)
		}
		if strings.HasPrefix(r.URL.Path, scimPath) {
			return records.RoundTrip(r)
		}
		return org.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// allEffects are what was carried out anywhere, in the order in which it took effect.
func (s *scenario) allEffects() []organisation.Effect {
	all := s.org.Effects()
	for _, e := range s.site.Effects() {
		done := organisation.Effect{At: e.At, AccountID: e.AccountID, Kind: "site-" + e.Kind}
		if e.Kind == "create" {
			a, _ := s.org.Account(e.AccountID)
			done.To = a.Email
		}
		all = append(all, done)
	}
	all = append(all, s.scimEffects()...)
	slices.SortStableFunc(all, func(a, b organisation.Effect) int { return a.At.Compare(b.At) })
	return all
}

// ofNobody reports whether a call is about somebody who has no account before it.
func ofNobody(kind string) bool { return strings.HasSuffix(kind, "create") || kind == "invite" }
