package atlassian

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// siteReading answers facts of one kind at one site. The Directory is there for what the
// organisation knows and the site does not tell, as who holds an address.
type siteReading struct {
	operation string
	read      func(ctx context.Context, d *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error)
}

// siteChanging makes a call that changes something at one site.
type siteChanging struct {
	operation string
	call      func(ctx context.Context, s *Site, call workflow.Call) (workflow.Values, error)
}

// siteReadings returns how the facts are read that actions ask for at a site.
func siteReadings() map[workflow.FactKind]siteReading {
	return map[workflow.FactKind]siteReading{
		workflow.KindMembership: {opSiteUser, readSiteUser},
		action.KindGroup:        {opSiteUserGroups, readSiteGroup},
		action.KindSiteGroups:   {opSiteUserGroups, readSiteGroups},
		action.KindGroupNamed:   {opSiteGroups, readSiteGroupNamed},
		action.KindLegacy:       {opSiteLegacy, readLegacy},
		action.KindSiteHolder:   {opSiteUser, readSiteHolder},
		action.KindColumns:      {opSiteColumns, readColumns},
	}
}

// siteChanges returns how the operations are carried out that actions name at a site.
func siteChanges() map[workflow.Operation]siteChanging {
	return map[workflow.Operation]siteChanging{
		action.OpSiteGroupAdd: {opSiteGroupAdd, func(ctx context.Context, s *Site, call workflow.Call) (workflow.Values, error) {
			return nil, s.AddToGroup(ctx, call.Args.Get(workflow.FieldID), call.AccountID)
		}},
		action.OpSiteGroupRemove: {opSiteGroupRemove, func(ctx context.Context, s *Site, call workflow.Call) (workflow.Values, error) {
			return nil, s.RemoveFromGroup(ctx, call.Args.Get(workflow.FieldID), call.AccountID)
		}},
		action.OpSiteCreate: {opSiteCreate, func(ctx context.Context, s *Site, call workflow.Call) (workflow.Values, error) {
			var products []string
			if names := call.Args.Get(workflow.FieldProducts); names != "" {
				products = strings.Split(names, ";")
			}
			id, err := s.Create(ctx, call.Args.Get(workflow.FieldEmail), products)
			return workflow.Of(workflow.FieldID, id), err
		}},
		action.OpSiteDelete: {opSiteDelete, func(ctx context.Context, s *Site, call workflow.Call) (workflow.Values, error) {
			return nil, s.Delete(ctx, call.AccountID)
		}},
		action.OpColumnsReset: {opSiteColumnsReset, func(ctx context.Context, s *Site, call workflow.Call) (workflow.Values, error) {
			return nil, s.ResetColumns(ctx, call.AccountID)
		}},
	}
}

// site returns the client of a site by its name in the settings.
func (d *Directory) site(name string) (*Site, error) {
	names := make([]string, len(d.sites))
	for i, s := range d.sites {
		if s.name == name {
			return s, nil
		}
		names[i] = s.name
	}
	return nil, refusal(workflow.ReasonNoSite, fmt.Errorf("no site %q in the settings", name), name, strings.Join(names, ", "))
}

func (d *Directory) readSite(ctx context.Context, facts []workflow.Fact) (workflow.Answers, error) {
	s, err := d.site(facts[0].Site)
	if err != nil {
		return nil, err
	}
	kind, known := siteReadings()[facts[0].Kind]
	if !known {
		return nil, fmt.Errorf("read %s at a site: not supported", facts[0].Kind)
	}
	answers, err := kind.read(ctx, d, s, facts)
	return answers, siteReadError(s, err)
}

func (d *Directory) callSite(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	s, err := d.site(call.Site)
	if err != nil {
		return nil, err
	}
	operation, known := siteChanges()[call.Operation]
	if !known {
		return nil, &kindError{workflow.ErrNotSent, fmt.Errorf("call %s at a site: not supported", call.Operation)}
	}
	told, err := operation.call(ctx, s, call)
	return told, siteWriteError(s, call, err)
}

// siteReadError puts the error of a read at a site into the words of workflow: where the calling
// account may not look, that is said, and nothing follows for whom it was about.
func siteReadError(s *Site, err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == KindForbidden {
		return refusal(workflow.ReasonSiteForbidden, err, s.name)
	}
	return withKey("the site "+s.name, readError(err))
}

func siteWriteError(s *Site, call workflow.Call, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return writeError(call.Action, "", err)
	}
	switch e.Kind {
	case KindForbidden:
		return refusal(workflow.ReasonSiteForbidden, err, s.name)
	case KindMemberOrFull: // the reason counts if looking shows that they are no member
		return &workflow.Refusal{Reason: siteRefusal(e), Err: err, MayBeSo: true}
	case KindNotFound:
		return &workflow.Refusal{
			Reason: workflow.NewReason(workflow.ReasonSiteRefused, e.Message), Err: err,
			MayBeSo: e.Operation == opSiteGroupRemove || e.Operation == opSiteDelete,
		}
	case KindRefused:
		return &workflow.Refusal{Reason: siteRefusal(e), Err: err}
	}
	return withKey("the site "+s.name, writeError(call.Action, "", err))
}

// siteRefusal is why Jira refuses a call with 400: a full licence by its words, which are not
// documented, or else what it says.
func siteRefusal(e *Error) workflow.Reason {
	if action.FullWords(e.Message) {
		return workflow.NewReason(workflow.ReasonLicenceFull)
	}
	return workflow.NewReason(workflow.ReasonSiteRefused, e.Message)
}

// readSiteUser answers how an account stands with a site: active, suspended where it is inactive
// there, none where it is no user.
func readSiteUser(ctx context.Context, _ *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		u, err := s.User(ctx, fact.AccountID)
		if err != nil && KindOf(err) != KindNotFound {
			return nil, err
		}
		answers[fact] = []workflow.Values{siteStanding(u, err == nil)}
	}
	return answers, nil
}

func siteStanding(u SiteUser, found bool) workflow.Values {
	switch {
	case !found:
		return workflow.Of(workflow.FieldMembership, workflow.MemberNone)
	case !u.Active:
		return workflow.Of(workflow.FieldMembership, workflow.MemberSuspended).With(workflow.FieldID, u.ID)
	}
	return workflow.Of(workflow.FieldMembership, workflow.MemberActive).With(workflow.FieldID, u.ID)
}

// siteGroupsOf answers the groups of a user; found is false for who is no user of the site.
func siteGroupsOf(ctx context.Context, s *Site, id string) (groups []SiteGroup, found bool, err error) {
	groups, err = s.GroupsOf(ctx, id)
	if KindOf(err) == KindNotFound {
		return nil, false, nil
	}
	return groups, err == nil, err
}

// readSiteGroup answers whether a user is in one group; nothing for who is no user.
func readSiteGroup(ctx context.Context, _ *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		groups, found, err := siteGroupsOf(ctx, s, fact.AccountID)
		if err != nil {
			return nil, err
		}
		if answers[fact] = nil; found {
			in := slices.ContainsFunc(groups, func(g SiteGroup) bool { return g.ID == fact.Arg })
			answers[fact] = []workflow.Values{workflow.Of(workflow.GroupField(fact.Arg), inOrOut(in))}
		}
	}
	return answers, nil
}

// readSiteGroups answers all groups of a user: one record; none for who is no user.
func readSiteGroups(ctx context.Context, _ *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		groups, found, err := siteGroupsOf(ctx, s, fact.AccountID)
		if err != nil {
			return nil, err
		}
		if answers[fact] = nil; found {
			in := make([]action.Group, len(groups))
			for i, g := range groups {
				in[i] = action.Group{ID: g.ID, Name: g.Name}
			}
			answers[fact] = []workflow.Values{action.SiteGroupsValues(in)}
		}
	}
	return answers, nil
}

// readSiteGroupNamed answers which groups of a site are meant by names or ids. Whether names are
// compared in any case is not documented: they are asked for as written and in lower case. Nor is what
// an id looks like: what is the name of no group may be one.
func readSiteGroupNamed(ctx context.Context, _ *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for chunk := range slices.Chunk(facts, MaxLegacy) {
		var names []string
		for _, fact := range chunk {
			answers[fact] = nil
			names = append(names, fact.Arg, strings.ToLower(fact.Arg))
		}
		slices.Sort(names)
		groups, err := s.Groups(ctx, slices.Compact(names), nil)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, fact := range chunk {
			named := func(g SiteGroup) bool { return workflow.GroupKey(g.Name) == workflow.GroupKey(fact.Arg) }
			if groupID.MatchString(fact.Arg) || !slices.ContainsFunc(groups, named) {
				ids = append(ids, fact.Arg)
			}
		}
		if len(ids) > 0 {
			found, err := s.Groups(ctx, nil, ids)
			if err != nil && !noID(err) {
				return nil, err
			}
			groups = append(groups, found...)
		}
		for _, fact := range chunk {
			var seen []string
			for _, g := range groups {
				meant := g.ID == fact.Arg || workflow.GroupKey(g.Name) == workflow.GroupKey(fact.Arg)
				if meant && !slices.Contains(seen, g.ID) {
					seen = append(seen, g.ID)
					answers[fact] = append(answers[fact], action.Group{ID: g.ID, Name: g.Name}.Values())
				}
			}
		}
	}
	return answers, nil
}

// readLegacy answers whose legacy names and keys they are.
func readLegacy(ctx context.Context, _ *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for chunk := range slices.Chunk(facts, MaxLegacy) {
		var names, keys []string
		for _, fact := range chunk {
			answers[fact] = nil
			if name, is := action.LegacyName(fact); is {
				names = append(names, name)
			} else {
				keys = append(keys, name)
			}
		}
		all, err := s.Legacy(ctx, names, keys)
		if err != nil {
			return nil, err
		}
		for _, fact := range chunk {
			name, is := action.LegacyName(fact)
			for _, m := range all {
				if is && strings.EqualFold(m.Username, name) || !is && strings.EqualFold(m.Key, name) {
					answers[fact] = append(answers[fact], workflow.Of(workflow.FieldID, m.ID))
				}
			}
		}
	}
	return answers, nil
}

// readSiteHolder answers how the holder of an address stands with a site. The organisation knows who
// holds it: the site's own search knows beginnings of words alone, no inactive users, and shows nobody
// where the calling account may not browse.
func readSiteHolder(ctx context.Context, d *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	var addresses []string
	for _, fact := range facts {
		addresses = append(addresses, fact.Arg)
	}
	holders, err := d.ByAddress(ctx, addresses)
	unshown, some := errors.AsType[*workflow.Unshown](err)
	if err != nil && !some {
		return nil, err
	}
	for _, fact := range facts {
		key := workflow.AddressKey(fact.Arg)
		answers[fact] = []workflow.Values{siteStanding(SiteUser{}, false)}
		all := holders[key]
		if some {
			id, hidden := unshown.Holders[key]
			if hidden && id == "" {
				answers[fact] = []workflow.Values{workflow.Of(workflow.FieldReason, action.Unshown)}
				continue
			}
			if hidden {
				all = append(slices.Clone(all), workflow.Account{ID: id})
			}
		}
		for _, a := range all {
			u, err := s.User(ctx, a.ID)
			switch {
			case err == nil:
				answers[fact] = []workflow.Values{siteStanding(u, true)}
			case KindOf(err) != KindNotFound:
				return nil, err
			}
		}
	}
	return answers, nil
}

// readColumns answers which columns a user has, and which the site; nothing for who is no user.
func readColumns(ctx context.Context, _ *Directory, s *Site, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		of, site, err := s.Columns(ctx, fact.AccountID)
		if KindOf(err) == KindNotFound {
			answers[fact] = nil
			continue
		}
		if err != nil {
			return nil, err
		}
		answers[fact] = []workflow.Values{action.ColumnsValues(of, site)}
	}
	return answers, nil
}

// FindAtSite finds users of a site by a piece of name or address, an account id, or a legacy username
// or user key, at most limit, each with their groups. Errors are those of Reader; one of the reason
// workflow.ReasonSiteForbidden where the calling account may not browse users.
func (d *Directory) FindAtSite(ctx context.Context, site, text string, limit int) ([]workflow.SiteUser, error) {
	s, err := d.site(site)
	if err != nil {
		return nil, err
	}
	users, err := s.findAny(ctx, text, limit)
	if err != nil {
		return nil, siteReadError(s, err)
	}
	out := make([]workflow.SiteUser, 0, len(users))
	for _, u := range users {
		found := workflow.SiteUser{ID: u.ID, Name: u.Name, Email: u.Email, Type: u.Type, Active: u.Active}
		groups, _, err := siteGroupsOf(ctx, s, u.ID)
		if err != nil {
			return nil, siteReadError(s, err)
		}
		for _, g := range groups {
			found.Groups = append(found.Groups, g.Name)
		}
		out = append(out, found)
	}
	return out, nil
}

// SiteMembers lists every user of a site. Errors are those of Reader; one of the reason
// workflow.ReasonSiteForbidden where the calling account may not browse users.
func (d *Directory) SiteMembers(ctx context.Context, site string) iter.Seq2[workflow.SiteUser, error] {
	return func(yield func(workflow.SiteUser, error) bool) {
		s, err := d.site(site)
		if err != nil {
			yield(workflow.SiteUser{}, err)
			return
		}
		for u, err := range s.Users(ctx) {
			if err != nil {
				yield(workflow.SiteUser{}, siteReadError(s, err))
				return
			}
			if !yield(workflow.SiteUser{ID: u.ID, Name: u.Name, Email: u.Email, Type: u.Type, Active: u.Active}, nil) {
				return
			}
		}
	}
}

// findAny finds users by whatever the text may be.
func (s *Site) findAny(ctx context.Context, text string, limit int) ([]SiteUser, error) {
	ids := map[string]bool{}
	var out []SiteUser
	add := func(u SiteUser) {
		if !ids[u.ID] && len(out) < limit {
			ids[u.ID], out = true, append(out, u)
		}
	}
	byID := func(id string) error {
		u, err := s.User(ctx, id)
		if err == nil {
			add(u)
		}
		if KindOf(err) == KindNotFound || KindOf(err) == KindInvalid {
			return nil
		}
		return err
	}
	if accountID.MatchString(text) && strings.ContainsAny(text, "0123456789:") {
		if err := byID(text); err != nil {
			return nil, err
		}
	}
	if !strings.ContainsAny(text, " @") {
		legacy, err := s.Legacy(ctx, []string{text}, []string{text})
		if err != nil {
			return nil, err
		}
		for _, m := range legacy {
			if err := byID(m.ID); err != nil {
				return nil, err
			}
		}
	}
	hits, err := s.Find(ctx, text, limit)
	if err != nil {
		return nil, err
	}
	for _, u := range hits {
		add(u)
	}
	if len(out) == 0 { // nobody, or nobody whom we may see
		return nil, s.Browses(ctx)
	}
	return out, nil
}
