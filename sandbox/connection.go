package sandbox

import "strings"

// Connection is what a program needs to use the sandbox in the place of Slack and Atlassian.
type Connection struct {
	Page string // for people, in a browser

	SlackAPI string // base of the Web API with a slash at the end, as slack-go's OptionAPIURL
	AppToken string // for Socket Mode
	BotToken string

	Atlassian string // in the place of https://api.atlassian.com
	OrgID     string
	APIKey    string // of the organisation, made without scopes

	DirectoryID string // the organisation's first directory, where it has two

	SiteURL   string // of Jira
	SiteEmail string
	SiteToken string // API token of that address

	SCIMDirectoryID string // a SCIM directory of ours
	SCIMKey         string // of that directory
}

// Connection returns the addresses and credentials of this sandbox.
func (s *Sandbox) Connection() Connection {
	return Connection{
		Page: s.URL, SlackAPI: s.SlackAPIURL(), AppToken: s.AppToken(), BotToken: s.BotToken(),
		Atlassian: s.AtlassianURL(), OrgID: s.OrgID(), APIKey: s.APIKey(),
		DirectoryID: s.Organisation.Directories()[0].ID, SiteURL: s.SiteURL(), SiteEmail: siteEmail, SiteToken: siteToken,
		SCIMDirectoryID: oursID, SCIMKey: scimKey,
	}
}

// Env returns the connection as lines of NAME=value, which a shell can read.
func (c Connection) Env() string {
	var out strings.Builder
	for _, each := range [][2]string{
		{"SLACK_API_URL", c.SlackAPI},
		{"SLACK_APP_TOKEN", c.AppToken},
		{"SLACK_BOT_TOKEN", c.BotToken},
		{"ATLASSIAN_API_URL", c.Atlassian},
		{"ATLASSIAN_ORG_ID", c.OrgID},
		{"ATLASSIAN_API_KEY", c.APIKey},
		{"ATLASSIAN_DIRECTORY_ID", c.DirectoryID},
		{"JIRA_URL", c.SiteURL},
		{"JIRA_EMAIL", c.SiteEmail},
		{"JIRA_API_TOKEN", c.SiteToken},
		{"SCIM_DIRECTORY_ID", c.SCIMDirectoryID},
		{"SCIM_KEY", c.SCIMKey},
	} {
		out.WriteString(each[0] + "=" + each[1] + "\n")
	}
	return out.String()
}
