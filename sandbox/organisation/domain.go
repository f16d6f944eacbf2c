package organisation

import "slices"

// Domain is one domain of the organisation.
type Domain struct {
	Name     string
	Verified bool
	// Status is the status of the claim: verified, unverified, deleted, superseded or
	// missing_token. Empty: verified or unverified, by Verified; else it decides, and Verified
	// follows.
	Status string
}

type domain struct {
	Domain
	id string
}

// Directory is one user directory. An organisation has one unless it uses the original user
// management with several.
type Directory struct {
	ID   string
	Name string
}

// AddDomain adds a domain, or replaces the one with the same name (compared with case folded).
func (o *Organisation) AddDomain(added Domain) {
	if added.Status == "" {
		added.Status = "unverified"
		if added.Verified {
			added.Status = "verified"
		}
	}
	added.Verified = added.Status == "verified"
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.pulse()
	for i, old := range o.domains {
		if addressKey(old.Name) == addressKey(added.Name) {
			o.domains[i].Domain = added
			return
		}
	}
	o.domains = append(o.domains, domain{Domain: added, id: o.newID()})
}

// Domains returns the domains in the order in which they were added.
func (o *Organisation) Domains() []Domain {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]Domain, 0, len(o.domains))
	for _, each := range o.domains {
		all = append(all, each.Domain)
	}
	return all
}

// AddDirectory adds a directory beside the first, which New makes; one with the same id is
// replaced. All accounts are in all directories.
func (o *Organisation) AddDirectory(added Directory) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.pulse()
	for i, old := range o.directories {
		if old.ID == added.ID {
			o.directories[i] = added
			return
		}
	}
	o.directories = append(o.directories, added)
}

// Directories returns the directories, the organisation's first one first.
func (o *Organisation) Directories() []Directory {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.directories)
}

// verified reports whether addresses on this domain may be set. A sub-domain is a domain of its
// own. The caller holds o.mu.
func (o *Organisation) verified(name string) bool {
	return slices.ContainsFunc(o.domains, func(each domain) bool {
		return each.Verified && addressKey(each.Name) == addressKey(name)
	})
}
