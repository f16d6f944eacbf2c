package bot

import "fmt"

// PermanentError says that Slack refuses a token for good, so that trying again is of no use. Its words say what to do.
type PermanentError struct {
	Token string // "app" or "bot"
	Code  string // as Slack names it
}

func (e *PermanentError) Error() string {
	setting := "slack." + e.Token + "_token"
	do := "put a valid token into " + setting
	switch e.Code {
	case "missing_scope":
		do = "give the token in " + setting + " the scope connections:write (App-Level Tokens)"
		if e.Token == "bot" {
			do = "install the app again with the scopes of countersign manifest"
		}
	case "not_allowed_token_type":
		do = fmt.Sprintf("%s holds a token of the wrong kind; app tokens begin with xapp-, bot tokens with xoxb-", setting)
	case "account_inactive", "token_revoked":
		do = "the app was taken out of the workspace or its token revoked; install it again and put the new token into " + setting
	case "token_expired":
		do = "switch token rotation off and put a token that does not expire into " + setting
	case "forbidden_team":
		do = "the token in " + setting + " belongs to another workspace; make one in the right workspace"
	case codeNotFound:
		do = "slack.api_url does not answer as Slack does; put it right"
	case codeLinkDisabled:
		do = "Slack closes each connection at once; switch Socket Mode on in the app's settings, and let nothing else use " +
			"its app token"
	}
	return fmt.Sprintf("connect to Slack: %s: %s", e.Code, do)
}

// Codes that are ours: what Slack says by an HTTP status or by closing connections.
const (
	codeNotFound     = "404"
	codeLinkDisabled = "link_disabled"
)
