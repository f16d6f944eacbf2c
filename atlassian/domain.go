package atlassian

import (
	"context"
	"net/http"
)

// DomainVerified is the status of a domain to which addresses may be changed. Others are deleted, unverified,
// superseded, missing_token (organizations API, schema DomainModel).
const DomainVerified = "verified"

// Domain is a domain of the organisation (organizations API, getDomains).
type Domain struct {
	ID     string
	Name   string
	Status string
}

type domainModel struct {
	ID         string `json:"id"`
	Attributes struct {
		Name  string `json:"name"`
		Claim struct {
			Status string `json:"status"`
		} `json:"claim"`
	} `json:"attributes"`
}

// Domains lists the organisation's domains, whatever their status.
func (c *Client) Domains(ctx context.Context) ([]Domain, error) {
	call := request{operation: opDomains, method: http.MethodGet, path: "/admin/v1/orgs/" + c.org + "/domains"}
	var domains []Domain
	for p, err := range pages[domainModel](ctx, c, call, readBudget) {
		if err != nil {
			return nil, err
		}
		for _, d := range p.Data {
			domains = append(domains, Domain{ID: d.ID, Name: d.Attributes.Name, Status: d.Attributes.Claim.Status})
		}
	}
	return domains, nil
}

// OrgName reads the organisation's name (organizations API, GET orgs/{orgId}).
func (c *Client) OrgName(ctx context.Context) (string, error) {
	var answer struct {
		Data struct {
			Attributes struct {
				Name string `json:"name"`
			} `json:"attributes"`
		} `json:"data"`
	}
	call := request{operation: opOrg, method: http.MethodGet, path: "/admin/v1/orgs/" + c.org}
	if err := c.read(ctx, call, readBudget, &answer); err != nil {
		return "", err
	}
	return answer.Data.Attributes.Name, nil
}
