package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/countersign/countersign/sandbox"
)

// demoSettings are the settings that a person would write for the sandbox's workspace and
// organisation. %q of Go is a quoted string of YAML.
var demoSettings = template.Must(template.New("settings").Parse(`# The settings of the demo's bot. They point at the local Slack and Atlassian, and go with them.
slack: {app_token: {{printf "%q" .At.AppToken}}, bot_token: {{printf "%q" .At.BotToken}}, api_url: {{printf "%q" .At.SlackAPI}}}
atlassian:
  api_url: {{printf "%q" .At.Atlassian}}
  org_id: {{printf "%q" .At.OrgID}}
  api_key: {{printf "%q" .At.APIKey}}
  directory_id: {{printf "%q" .At.DirectoryID}}
  sites:
    - {name: main, url: {{printf "%q" .At.SiteURL}}, email: {{printf "%q" .At.SiteEmail}}, api_token: {{printf "%q" .At.SiteToken}}}
  scim:
    - {name: hr, directory_id: {{printf "%q" .At.SCIMDirectoryID}}, api_key: {{printf "%q" .At.SCIMKey}}}
people: {admins: [{{.Admins}}], requesters: [{{.Helpdesk}}]}
channels: {requests: {{.Requests}}, reports: {{.Reports}}}
approval:
  rules:
    - {when: {changes_over: {{.TwoOver}}}, approvals: 2}
protect: ["group:break-glass"]
reports:
  - {name: nightly-accounts, kind: managed-accounts, schedule: "0 2 * * *", timezone: UTC}
store: {path: countersign.db}
log: {level: warn, format: text}
`))

// writeDemoSettings writes the settings file of the demo's bot into a folder, for its owner alone, and
// returns its path.
func writeDemoSettings(world *sandbox.Sandbox, folder string) (string, error) {
	var text strings.Builder
	err := demoSettings.Execute(&text, struct {
		At                                  sandbox.Connection
		Admins, Helpdesk, Requests, Reports string
		TwoOver                             int
	}{world.Connection(), sandbox.Admins, sandbox.Helpdesk, sandbox.Requests, sandbox.Reports, demoRule})
	path := filepath.Join(folder, "config.yaml")
	if err == nil {
		err = os.WriteFile(path, []byte(text.String()), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("write the demo's settings: %w", err)
	}
	return path, nil
}
