package sandbox_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
)

func TestSeedIsTheSameForTheSameNumber(t *testing.T) {
	one, again, other := start(t, sandbox.Config{Seed: 3}), start(t, sandbox.Config{Seed: 3}), start(t, sandbox.Config{Seed: 4})
	if diff := cmp.Diff(one.Organisation.Accounts(), again.Organisation.Accounts()); diff != "" {
		t.Errorf("same seed (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(one.Samples(), again.Samples()); diff != "" {
		t.Errorf("same seed, samples (-first +second):\n%s", diff)
	}
	if cmp.Equal(one.Organisation.Accounts(), other.Organisation.Accounts()) {
		t.Error("another seed gives the same accounts")
	}
}

func TestSeedHasEveryCase(t *testing.T) {
	for seed := range uint64(20) {
		box := start(t, sandbox.Config{Seed: seed})
		count := make(map[string]int)
		addresses := make(map[string]bool)
		for _, account := range box.Organisation.Accounts() {
			count["all"]++
			owner := account.Locks["email.set"]
			for name, is := range map[string]bool{
				"inactive": account.Status == "inactive", "app": account.Type == "app", "admin": account.OrgAdmin,
				"stuck": len(account.LifecycleErrors) > 0, "hidden": account.Hidden, "unmanaged": !account.Managed,
				"scim": owner == "externalDirectory.scim", "google": owner == "externalDirectory.google",
			} {
				if is {
					count[name]++
				}
			}
			if addresses[account.Email] || strings.ContainsFunc(account.Email, func(r rune) bool { return r > '~' || r <= ' ' }) {
				t.Errorf("seed %d: address %q is there twice or is not plain", seed, account.Email)
			}
			addresses[account.Email] = true
		}
		members := make(map[string]int)
		for _, group := range box.Organisation.Groups() {
			for _, account := range box.Organisation.Accounts() {
				if slices.Contains(account.Groups, group.ID) {
					members[group.Name]++
				}
			}
		}
		if members["break-glass"] != 2 || members["jira-users"] < 150 || members["finance"] < 5 || members["finance"] > 60 {
			t.Errorf("seed %d: members %v, want 2 in break-glass, many in jira-users and some in finance", seed, members)
		}
		want := map[string]int{
			"all": 250, "inactive": 14, "app": 1, "admin": 1, "stuck": 1, "hidden": 1, "unmanaged": 14, "scim": 14, "google": 4,
		}
		if diff := cmp.Diff(want, count); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

func TestSamplesFitTheCompany(t *testing.T) {
	box := start(t, sandbox.Config{Seed: 11})
	byAddress := make(map[string]organisation.Account)
	for _, account := range box.Organisation.Accounts() {
		byAddress[account.Email] = account
	}
	rows := make(map[string]int)
	for _, sample := range box.Samples() {
		reader := csv.NewReader(bytes.NewReader(sample.Content))
		if sample.Name == "rename-domain.csv" {
			reader.Comma = ';'
		}
		records, err := reader.ReadAll()
		if err != nil {
			t.Errorf("%s: %v", sample.Name, err)
			continue
		}
		rows[sample.Name] = len(records) - 1
		for _, person := range box.Workspace.People() {
			if person.Email != "" && bytes.Contains(sample.Content, []byte(person.Email)) {
				t.Errorf("%s names %s, who is in Slack", sample.Name, person.Email)
			}
		}
		if sample.Name != "rename-domain.csv" {
			continue
		}
		for i, record := range records[1:] {
			account, found := byAddress[record[1]]
			_, taken := byAddress[record[2]]
			ready := found && account.ID == record[0] && account.Status == "active" && account.Managed && len(account.Locks) == 0
			if !ready || taken {
				t.Errorf("%s line %d: %v is not ready: %+v, new address taken: %t", sample.Name, i+2, record, account, taken)
			}
		}
	}
	want := map[string]int{
		"rename-domain.csv": 40, "rename-with-bad-rows.csv": 14, "leavers.csv": 8, "mixed-actions.csv": 12, "offboard.csv": 6,
		"groups.csv": 8, "stay-behind.csv": 5,
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// A large company holds the small one, and a file of many rows.
func TestLargeCompany(t *testing.T) {
	small, large := start(t, sandbox.Config{Seed: 7}), start(t, sandbox.Config{Seed: 7, Accounts: 3000})
	byID := make(map[string]organisation.Account)
	addresses := make(map[string]bool)
	for _, account := range large.Organisation.Accounts() {
		byID[account.ID] = account
		addresses[account.Email] = true
	}
	if len(byID) != 3000 || len(addresses) != 3000 {
		t.Errorf("%d accounts with %d addresses, want 3000 of each", len(byID), len(addresses))
	}
	for _, account := range small.Organisation.Accounts() {
		if got := byID[account.ID]; got.Email != account.Email {
			t.Errorf("account %s has the address %q in the large company, want %q", account.ID, got.Email, account.Email)
		}
	}
	samples := large.Samples()
	last := samples[len(samples)-1]
	if rows := bytes.Count(last.Content, []byte("\n")) - 1; last.Name != "rename-2000.csv" || rows != 2000 {
		t.Errorf("the last sample is %s with %d rows", last.Name, rows)
	}
	if diff := cmp.Diff(small.Samples(), samples[:len(samples)-1]); diff != "" {
		t.Errorf("the other samples (-small +large):\n%s", diff)
	}
	if _, err := sandbox.Start(t.Context(), sandbox.Config{Accounts: 249}); err == nil {
		t.Error("a company of 249 accounts was made")
	}
}
