package atlassian

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// maxWorkspaces is the largest page of workspaces (organizations API v2, SearchWorkspacesRequestV2).
const maxWorkspaces = 1000

// WorkspaceOnline is the status of a workspace that can be used. Others are offline, deprecated
// (organizations API v2, WorkspaceModel).
const WorkspaceOnline = "online"

// Workspace is one product on one site (organizations API v2, WorkspaceModel).
type Workspace struct {
	ID         string `json:"id"` // ARI
	Attributes struct {
		Type    string `json:"type"`
		TypeKey string `json:"typeKey"`
		HostURL string `json:"hostUrl"`
		Status  string `json:"status"` // "" where the answer does not say
	} `json:"attributes"`
}

func (w Workspace) missing() string { return lacks("id", w.ID) }

// workspaceSearch is the body of a search; beside a cursor nothing else may stand.
type workspaceSearch struct {
	Limit  int    `json:"limit,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

// Workspaces lists the organisation's products (organizations API v2, POST workspaces). Its pages are
// named by URLs by the document and take a cursor: a URL's parameter cursor is taken for it.
func (c *Client) Workspaces(ctx context.Context) ([]Workspace, error) {
	following := func(link string) any {
		if parsed, err := url.Parse(link); err == nil && strings.Contains(link, "?") && parsed.Query().Has("cursor") {
			link = parsed.Query().Get("cursor")
		}
		return workspaceSearch{Cursor: link}
	}
	var all []Workspace
	l := bySearch[Workspace](opWorkspaces, "/admin/v2/orgs/"+c.org+"/workspaces", workspaceSearch{Limit: maxWorkspaces}, following)
	for w, err := range entries(ctx, c.admin, l) {
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// Invitation is what up to MaxInvited addresses are invited to.
type Invitation struct {
	Emails   []string
	Products []string // ARIs of workspaces, on each of which they get RoleUser
	Groups   []string // ids
	Message  string   // of the mail; no mail goes out where it is ""
}

// MaxInvited is how many addresses one call invites (organizations API v2,
// MultidirectoryInviteApiRequest: the maximum, which stands at a list).
const MaxInvited = 25

// RoleUser is the role of somebody who uses a product.
const RoleUser = "atlassian/user"

// Invited is what became of one address.
type Invited struct {
	ID      string // of its account; "" where there is none
	Email   string
	Refused []string // why not, of each app and group that was not given; nil where all was
}

// Invite invites addresses to the organisation (organizations API v2, POST users/invite; success is
// 200, or 206 where at least one address could not be invited). What comes back has an entry for
// each address that the answer tells of.
func (c *Client) Invite(ctx context.Context, in Invitation) ([]Invited, error) {
	type rule struct {
		Resource string `json:"resource"`
		Role     string `json:"role"`
	}
	body := struct {
		Emails  []string `json:"emails"`
		Rules   []rule   `json:"permissionRules"`
		Groups  []string `json:"additionalGroups"`
		Send    bool     `json:"sendNotification"`
		Message string   `json:"notificationText,omitempty"`
	}{Emails: in.Emails, Rules: []rule{}, Groups: append([]string{}, in.Groups...), Send: in.Message != "", Message: in.Message}
	for _, ari := range in.Products {
		body.Rules = append(body.Rules, rule{ari, RoleUser})
	}
	told, err := c.admin.writeAnswered(ctx, request{
		operation: opInvite, method: http.MethodPost, path: "/admin/v2/orgs/" + c.org + "/users/invite", body: body,
	})
	if err != nil {
		return nil, err
	}
	return readInvited(told, c.admin.authorize().cleaner()), nil
}
