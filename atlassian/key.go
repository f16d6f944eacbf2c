package atlassian

import (
	"context"
	"errors"
	"fmt"
)

// KeyReport is what a key is good for. What was not reached is zero.
type KeyReport struct {
	Works    bool   // every probe passed
	Scoped   bool   // made with scopes: it cannot manage accounts
	OrgName  string // "" where the key may not read it
	Domains  int    // all, whatever their status
	Verified int    // of these, verified
	Accounts int    // managed accounts, as the list's total says
	More     bool   // there are more than Accounts: the list tells no total, and has other pages
}

// ErrNoAccounts means that a key could not be tried on an account, as the organisation manages
// none.
var ErrNoAccounts = errors.New("the organisation has no managed account to try the key on")

// CheckKey tries the key on both APIs: on the domains and accounts of the organisation, for which a
// key with scopes is good enough, and on the permissions of one managed account, for which only a
// key without scopes is. The error is that of the first probe that failed, and names its operation;
// the report holds what was found before.
func (c *Client) CheckKey(ctx context.Context) (KeyReport, error) {
	var report KeyReport
	domains, err := c.Domains(ctx)
	if err != nil {
		return report.failed(err)
	}
	report.Domains = len(domains)
	for _, d := range domains {
		if d.Status == DomainVerified {
			report.Verified++
		}
	}
	if report.OrgName, err = c.OrgName(ctx); err != nil && !nameOnly(err) {
		return report.failed(err)
	}
	id, err := c.someAccount(ctx, &report)
	if err != nil {
		return report.failed(err)
	}
	if _, err := c.Manage(ctx, id, PrivilegeEmail, PrivilegeEnablement); err != nil {
		return report.failed(err)
	}
	report.Works = true
	return report, nil
}

// nameOnly reports whether only the name cannot be read, on which nothing depends.
func nameOnly(err error) bool {
	switch KindOf(err) {
	case KindForbidden, KindNotFound, KindRefused:
		return true
	default:
		return false
	}
}

func (r KeyReport) failed(err error) (KeyReport, error) {
	r.Scoped = KindOf(err) == KindKeyScoped
	return r, fmt.Errorf("check the key: %w", err)
}

// someAccount returns a managed account, a person's if the first page with accounts has one, and
// reports how many there are.
func (c *Client) someAccount(ctx context.Context, report *KeyReport) (id string, err error) {
	for p, err := range pages(ctx, c.admin, c.accounts(readBudget)) {
		if err != nil {
			return "", err
		}
		report.Accounts = max(report.Accounts, p.announced(), len(p.Data))
		report.More = p.announced() == NotAnnounced && p.Links.Next != ""
		for _, a := range p.Data {
			if a.Type == "atlassian" {
				return a.ID, nil
			}
			id = a.ID
		}
		if id != "" {
			return id, nil
		}
	}
	return "", ErrNoAccounts
}
