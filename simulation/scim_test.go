package simulation

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	network "github.com/countersign/countersign/sandbox/wire"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
)

// The SCIM directory of ours of the scenarios: a place with its own key, faults and limits.
const (
	scimPath = "/scim/directory/"
	simSCIM  = "55555555-0000-4000-8000-000000000001"
	simHR    = "scim-simulated"
)

// addSCIM puts two accounts into a SCIM directory of ours, one of them into a group there.
func (s *scenario) addSCIM() {
	server, err := scim.New(scim.Config{Organisation: s.org, URL: simAtlassian})
	if err != nil {
		s.t.Fatal(err)
	}
	s.scim = server
	if err := server.AddDirectory(scim.Directory{ID: simSCIM, Name: "hr", Key: simHR}); err != nil {
		s.t.Fatal(err)
	}
	group, err := server.AddGroup(simSCIM, "hr-people")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, i := range []int{6, 7} {
		user, err := server.AddUser(simSCIM, s.account(i))
		if err == nil && i == 7 {
			err = server.Join(simSCIM, group.ID, user.ID)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if s.more.IntN(2) == 0 {
		server.SetLimit(60)
	}
	s.faulty = []string{"", "", "", "organisation", "site", "scim"}[s.more.IntN(6)]
}

// scimSettings are the directory as the settings name it.
func scimSettings() []settings.SCIM {
	return []settings.SCIM{{Name: "hr", DirectoryID: simSCIM, APIKey: settings.NewSecret(simHR)}}
}

// placeFaults sets what goes wrong at each place: everywhere, or at one of them alone. Every call is looked at as it
// arrives in any case.
func (s *scenario) placeFaults() {
	at := func(place string) organisation.Faults {
		faults := s.atlassianFaults()
		if s.faulty == "" || s.faulty == place {
			return faults
		}
		return organisation.Faults{Endless: faults.Endless, Before: func(r *http.Request) *organisation.Fault {
			s.arrived(r)
			return nil
		}}
	}
	s.org.SetFaults(at("organisation"))
	s.site.SetFaults(siteFaults(at("site")))
	records := at("scim")
	s.scim.SetFaults(network.Faults{Latency: records.Latency, Before: records.Before, After: records.After})
}

// accountOf is the account of a record, or what was asked about where it is none.
func (s *scenario) accountOf(id string) string {
	for _, u := range s.scim.Users(simSCIM) {
		if u.ID == id {
			return u.AccountID
		}
	}
	return id
}

// pushed changes the record of an account, and so the account; false for one that has none.
func (s *scenario) pushed(a organisation.Account) bool {
	for _, u := range s.scim.Users(simSCIM) {
		if u.AccountID != a.ID {
			continue
		}
		err := s.scim.Push(simSCIM, u.ID, func(u *scim.User) {
			u.Active, u.UserName, u.Emails[0].Value = a.Status == "active", a.Email, a.Email
		})
		if err != nil {
			s.t.Logf("seed %d: %v", s.seed, err)
		}
		return true
	}
	return false
}

// scimKind is the kind of call by which an action is made in the directory.
func scimKind(name workflow.ActionName) string {
	return map[workflow.ActionName]string{
		workflow.Rename: "scim-email", workflow.SetName: "scim-name", workflow.Deactivate: "scim-disable",
		workflow.Activate: "scim-enable", workflow.GroupAdd: "scim-group-add", workflow.GroupRemove: "scim-group-remove",
		workflow.Provision: "scim-create",
	}[name]
}

// scimWritten is written for a call at the directory: who is a record there.
func scimWritten(method, path string, raw []byte) (record, kind, to string, ok bool) {
	var body struct {
		UserName   string
		Operations []struct {
			Op, Path string
			Value    json.RawMessage
		}
	}
	_ = json.Unmarshal(raw, &body) // what does not fit is no call that is known
	_, last, _ := strings.Cut(strings.TrimPrefix(path, scimPath+simSCIM+"/"), "/")
	switch {
	case method == http.MethodPost && last == "":
		return "", "scim-create", body.UserName, true
	case method != http.MethodPatch || len(body.Operations) == 0:
		return last, method + " " + path, "", true
	}
	for _, each := range body.Operations {
		var list []struct {
			Value   string
			Primary bool
		}
		_ = json.Unmarshal(each.Value, &list)
		switch each.Path {
		case "emails":
			for _, email := range list {
				if email.Primary {
					return last, "scim-email", email.Value, true
				}
			}
		case "displayName":
			_ = json.Unmarshal(each.Value, &to)
			return last, "scim-name", to, true
		case "active":
			if string(each.Value) == "true" {
				return last, "scim-enable", "active", true
			}
			return last, "scim-disable", "inactive", true
		case "members":
			if len(list) == 1 {
				return list[0].Value, "scim-group-" + each.Op, "", true
			}
		}
	}
	return last, method + " " + path, "", true
}

// scimEffects are what was carried out in the directory, as effects on accounts.
func (s *scenario) scimEffects() []organisation.Effect {
	var out []organisation.Effect
	for _, e := range s.scim.Effects() {
		done := organisation.Effect{At: e.At, AccountID: e.AccountID}
		add := func(kind, from, to string) {
			done.Kind, done.From, done.To = "scim-"+kind, from, to
			out = append(out, done)
		}
		status := func(u scim.User) string { return map[bool]string{true: "active", false: "inactive"}[u.Active] }
		switch e.Kind {
		case "create":
			a, _ := s.org.Account(e.AccountID)
			add("create", "", a.Email)
			continue
		case "member-add":
			add("group-add", "", e.GroupID)
			continue
		case "member-remove":
			add("group-remove", "", e.GroupID)
			continue
		}
		known := false
		for _, field := range []struct {
			path, kind string
			value      func(scim.User) string
		}{
			{"emails", "email", func(u scim.User) string { return u.Emails[0].Value }},
			{"displayName", "name", func(u scim.User) string { return u.DisplayName }},
			{"active", map[bool]string{true: "enable", false: "disable"}[e.Is.Active], status},
		} {
			if slices.Contains(e.Fields, field.path) {
				known = true
				add(field.kind, field.value(e.Was), field.value(e.Is))
			}
		}
		if !known {
			add(e.Kind, "", "?")
		}
	}
	return out
}
