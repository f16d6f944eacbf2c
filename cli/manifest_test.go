package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/settings"
)

func TestManifestAsksForNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	always := []string{
		"commands", "chat:write", "files:read", "files:write", "users:read", "users:read.email",
		"im:history", "im:read", "im:write",
	}
	public := []string{"channels:read", "channels:history"}
	private := []string{"groups:read", "groups:history"}
	tests := []struct {
		name, text     string
		scopes, events []string // besides those that are always needed
	}{
		{
			"nothing said", "", slices.Concat(public, private),
			[]string{"message.channels", "message.groups"},
		},
		{"private", "channels: {private: true}", private, []string{"message.groups"}},
		{"public", "channels: {private: false}", public, []string{"message.channels"}},
		{
			"groups of people", "{channels: {private: true}, people: {requesters: [S0HELP]}}",
			append([]string{"usergroups:read"}, private...),
			[]string{"message.groups", "subteam_members_changed"},
		},
		{
			"a group in a rule",
			"{channels: {private: true}, approval: {rules: [{when: {requesters: [S0HELP]}, approvals: 2}]}}",
			append([]string{"usergroups:read"}, private...),
			[]string{"message.groups", "subteam_members_changed"},
		},
		{
			"an emergency group", "{channels: {private: true}, emergency: {group: S0ONCALL}}",
			append([]string{"usergroups:read"}, private...),
			[]string{"message.groups", "subteam_members_changed"},
		},
		{
			"people in a rule",
			"{channels: {private: true}, approval: {rules: [{when: {requesters: [U0HANA]}, approvals: 2}]}}",
			private,
			[]string{"message.groups"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := settings.Load(path, 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(slices.Concat(always, test.scopes), botScopes(cfg)); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
			events := append([]string{"app_home_opened", "message.im", "user_change", "member_joined_channel"}, test.events...)
			if diff := cmp.Diff(events, botEvents(cfg)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
