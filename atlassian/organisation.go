package atlassian

import (
	"cmp"
	"context"
	"net/http"
)

// Organisation is one that a key may see.
type Organisation struct {
	ID   string
	Name string
}

// orgModel is one entry of the list of organisations (organizations API, schema OrgModel).
type orgModel struct {
	ID         string `json:"id"`
	Attributes struct {
		Name string `json:"name"`
	} `json:"attributes"`
}

func (o orgModel) missing() string {
	return cmp.Or(lacks("id", o.ID), lacks("attributes.name", o.Attributes.Name))
}

// noOrg stands for the organisation of a client that does not know it yet; no call is about it.
const noOrg = "none"

// Organisations lists the organisations that the key of cfg may see, whose OrgID is ignored: usually its own. A key made
// with scopes sees none (organizations API, getOrgs; measured by jira.js).
func Organisations(ctx context.Context, cfg Config) ([]Organisation, error) {
	cfg.OrgID = noOrg
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []Organisation
	for o, err := range entries(ctx, c.admin, byLink[orgModel](c.admin, opOrgs, "/admin/v1/orgs", readBudget)) {
		if err != nil {
			return nil, err
		}
		all = append(all, Organisation{ID: o.ID, Name: o.Attributes.Name})
	}
	return all, nil
}

// orgAnswer is the answer about the organisation (organizations API, schema OrgModel).
type orgAnswer struct {
	Data struct {
		ID         string `json:"id"`
		Attributes struct {
			Name string `json:"name"`
		} `json:"attributes"`
	} `json:"data"`
}

func (a *orgAnswer) missing() string { return lacks("id", a.Data.ID) }

// OrgName reads the organisation's name (organizations API, GET orgs/{orgId}).
func (c *Client) OrgName(ctx context.Context) (string, error) {
	var answer orgAnswer
	call := request{operation: opOrg, method: http.MethodGet, path: "/admin/v1/orgs/" + c.org}
	if err := read(ctx, c.admin, call, readBudget, &answer); err != nil {
		return "", err
	}
	return answer.Data.Attributes.Name, nil
}
