package scim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
)

var (
	errTaken      = errors.New("the address is held by another account")
	errName       = errors.New("a group has the name")
	errUnverified = errors.New("the address is not on a verified domain")
)

// tie links a new record to its account. The caller holds s.mu, as for all of this file.
func (s *Server) tie(in *directory, user *User) error {
	return s.organisation.Edit(user.AccountID, func(a *organisation.Account) {
		a.LinkSCIM(organisation.SCIMLink{DirectoryID: in.ID, UserID: user.ID})
	})
}

// adopt finds the account for a new record by its address, or makes one: an account that the
// organisation manages is linked and not doubled.
func (s *Server) adopt(in *directory, user *User) error {
	address := user.primary()
	if !s.verified(address) {
		return errUnverified
	}
	holder, taken := s.organisation.Holder(address)
	if taken && (!holder.Managed || holder.Hidden || len(holder.SCIM) > 0) {
		return errTaken
	}
	if !taken {
		holder = organisation.Account{
			ID: "712020:scim-" + user.ID, Name: user.name(), Email: address, Managed: true,
			AddedToOrg: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		}
		if err := s.organisation.Put(holder); err != nil {
			return err
		}
	}
	user.AccountID = holder.ID
	if err := s.tie(in, user); err != nil {
		return err
	}
	return s.sync(in, user, user)
}

// sync makes the record what next says and brings its account after it. An address on a domain that
// is not verified unties the account, which keeps its address and loses the directory's groups.
func (s *Server) sync(in *directory, user, next *User) error {
	if slices.ContainsFunc(in.users, func(each *User) bool {
		return each.ID != user.ID && strings.EqualFold(each.UserName, next.UserName)
	}) {
		return errTaken
	}
	if user.AccountID != "" {
		address := next.primary()
		untied := !s.verified(address)
		if holder, taken := s.organisation.Holder(address); taken && holder.ID != user.AccountID {
			return errTaken
		}
		err := s.organisation.Edit(user.AccountID, func(a *organisation.Account) {
			if untied {
				a.UnlinkSCIM(in.ID)
				a.Groups = slices.DeleteFunc(a.Groups, in.synced)
				return
			}
			a.Email, a.Name, a.Status = address, next.name(), "active"
			if !next.Active {
				a.Status = "inactive"
			}
		})
		if err != nil {
			return fmt.Errorf("bring the account after its record: %w", err)
		}
		if untied {
			next.AccountID = ""
			for _, each := range in.groups {
				each.Members = slices.DeleteFunc(each.Members, func(id string) bool { return id == user.ID })
			}
		}
	}
	next.Modified = time.Now().UTC()
	*user = next.clone()
	return nil
}

// forget takes a record away for good: its account is untied and deactivated.
func (s *Server) forget(in *directory, user *User) error {
	if user.AccountID != "" {
		err := s.organisation.Edit(user.AccountID, func(a *organisation.Account) {
			a.UnlinkSCIM(in.ID)
			a.Groups = slices.DeleteFunc(a.Groups, in.synced)
			a.Status = "inactive"
		})
		if err != nil {
			return fmt.Errorf("deactivate the account: %w", err)
		}
	}
	in.users = slices.DeleteFunc(in.users, func(each *User) bool { return each == user })
	for _, each := range in.groups {
		each.Members = slices.DeleteFunc(each.Members, func(id string) bool { return id == user.ID })
	}
	return nil
}

// newGroup adds a group; a built-in name gets no group in the organisation.
func (s *Server) newGroup(in *directory, name, externalID string) (*Group, error) {
	if strings.TrimSpace(name) == "" {
		return nil, errors.New("it has no name")
	}
	if slices.ContainsFunc(in.groups, func(each *Group) bool { return strings.EqualFold(each.Name, name) }) ||
		slices.ContainsFunc(s.organisation.Groups(), func(each organisation.Group) bool {
			return strings.EqualFold(each.Name, name)
		}) {
		return nil, errName
	}
	moment := time.Now().UTC()
	group := &Group{ID: s.newID(), Name: name, ExternalID: externalID, Created: moment, Modified: moment}
	if !slices.Contains(builtIn, strings.ToLower(name)) {
		made, err := s.organisation.AddGroup(organisation.Group{Name: name, Synced: true})
		if err != nil {
			return nil, err
		}
		group.OrganisationID = made.ID
	}
	in.groups = append(in.groups, group)
	return group, nil
}

// setMembers replaces the members and brings the organisation's group after them.
func (s *Server) setMembers(in *directory, group *Group, members []string) error {
	accounts := func(of, without []string) []string {
		var ids []string
		for _, id := range of {
			if user := in.user(id); user != nil && user.AccountID != "" && !slices.Contains(without, id) {
				ids = append(ids, user.AccountID)
			}
		}
		return ids
	}
	if group.OrganisationID != "" {
		if err := s.organisation.Join(group.OrganisationID, accounts(members, group.Members)...); err != nil {
			return err
		}
		if err := s.organisation.Leave(group.OrganisationID, accounts(group.Members, members)...); err != nil {
			return err
		}
	}
	group.Members, group.Modified = members, time.Now().UTC()
	return nil
}

// synced reports whether a group of the organisation comes from this directory.
func (d *directory) synced(organisationID string) bool {
	return slices.ContainsFunc(d.groups, func(each *Group) bool { return each.OrganisationID == organisationID })
}

func (s *Server) verified(address string) bool {
	_, domain, at := strings.Cut(address, "@")
	return at && slices.ContainsFunc(s.organisation.Domains(), func(each organisation.Domain) bool {
		return each.Verified && strings.EqualFold(each.Name, domain)
	})
}

// name returns the account's name: the display name, else the formatted one, else the parts.
func (u *User) name() string {
	switch {
	case u.DisplayName != "":
		return u.DisplayName
	case u.Formatted != "":
		return u.Formatted
	case u.GivenName+u.FamilyName != "":
		return strings.TrimSpace(u.GivenName + " " + u.FamilyName)
	}
	return u.UserName
}
