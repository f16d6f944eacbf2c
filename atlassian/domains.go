package atlassian

import (
	"cmp"
	"context"
)

// DomainVerified is the status of a domain to which addresses may be changed. Others are deleted,
// unverified, superseded, missing_token (organizations API, schema DomainModel).
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

func (d domainModel) missing() string {
	return cmp.Or(
		lacks("id", d.ID), lacks("attributes.name", d.Attributes.Name), lacks("attributes.claim.status", d.Attributes.Claim.Status))
}

// Domains lists the organisation's domains, whatever their status.
func (c *Client) Domains(ctx context.Context) ([]Domain, error) {
	var domains []Domain
	l := byLink[domainModel](c.admin, opDomains, "/admin/v1/orgs/"+c.org+"/domains", readBudget)
	for d, err := range entries(ctx, c.admin, l) {
		if err != nil {
			return nil, err
		}
		domains = append(domains, Domain{ID: d.ID, Name: d.Attributes.Name, Status: d.Attributes.Claim.Status})
	}
	return domains, nil
}
