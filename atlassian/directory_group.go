package atlassian

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// groupID is what a group's id looks like; anything else is taken for a name first. What is no id could
// make the whole search fail.
var groupID = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// IsGroupID reports whether a value is taken for the id of a group; anything else is a name first.
func IsGroupID(s string) bool { return groupID.MatchString(s) }

// readGroups answers which groups are meant by names or ids: all names and all ids together, and
// once for each group what it gives access to.
func readGroups(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	look := groupLook{
		client: c, facts: facts, answers: workflow.Answers{}, asked: map[string][]workflow.Fact{},
		seen: map[string]bool{}, nameless: map[string]bool{},
	}
	names, ids := look.prepare()
	for chunk := range slices.Chunk(names, MaxGroupNames) {
		if err := look.take(ctx, FindGroups{Names: chunk}); err != nil {
			return nil, err
		}
	}
	for chunk := range slices.Chunk(ids, MaxGroupIDs) {
		if err := look.take(ctx, FindGroups{IDs: chunk}); err != nil {
			return nil, err
		}
	}
	for chunk := range slices.Chunk(look.unusualIDs(), MaxGroupIDs) {
		if err := look.take(ctx, FindGroups{IDs: chunk}); err != nil && !noID(err) {
			return nil, err
		}
	}
	if err := look.findNameless(ctx); err != nil {
		return nil, err
	}
	return look.answers, nil
}

// groupLook is one look for groups by their names and ids.
type groupLook struct {
	client   *Client
	facts    []workflow.Fact
	answers  workflow.Answers
	asked    map[string][]workflow.Fact // by key of the name, or id
	seen     map[string]bool            // ids of groups that are among the answers
	nameless map[string]bool            // ids of groups that a search by name shows without one
}

// prepare returns what to search for, each once and in order.
func (l *groupLook) prepare() (names, ids []string) {
	for _, fact := range l.facts {
		l.answers[fact] = nil
		key := workflow.GroupKey(fact.Arg)
		id := strings.ToLower(strings.TrimPrefix(fact.Arg, groupARI))
		if l.asked[key] == nil && key != "" {
			names = append(names, workflow.GroupSpellings(fact.Arg)...)
		}
		l.asked[key] = append(l.asked[key], fact)
		if !groupID.MatchString(id) {
			continue
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		if id != key {
			l.asked[id] = append(l.asked[id], fact)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), ids
}

// take searches, and answers with what is found that was asked for.
func (l *groupLook) take(ctx context.Context, find FindGroups) error {
	for g, err := range l.client.SearchGroups(ctx, find) {
		if err != nil {
			return err
		}
		if g.Name == "" && len(find.Names) > 0 {
			l.nameless[g.ID] = true
		}
		// The search is exact by the documents; a fuzzy answer must not pass for the group.
		meant := append(slices.Clone(l.asked[workflow.GroupKey(g.Name)]), l.asked[strings.ToLower(g.ID)]...)
		if len(meant) == 0 || l.seen[g.ID] {
			continue
		}
		l.seen[g.ID] = true
		values, err := l.client.groupValues(ctx, g)
		if err != nil {
			return err
		}
		for _, fact := range meant {
			l.answers[fact] = append(l.answers[fact], values)
		}
	}
	return nil
}

// unusualIDs are what is the name of no group that was found and may be an id: those are UUIDs in all examples,
// and no document promises it.
func (l *groupLook) unusualIDs() []string {
	var ids []string
	for _, fact := range l.facts {
		if id := strings.TrimPrefix(fact.Arg, groupARI); len(l.answers[fact]) == 0 && !groupID.MatchString(id) && !strings.ContainsAny(id, " \t") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// findNameless finds out for which name a group was found that is shown without one.
func (l *groupLook) findNameless(ctx context.Context) error {
	maps.DeleteFunc(l.nameless, func(id string, _ bool) bool { return l.seen[id] })
	// Those of whose names no group was found come first: of a name with one, it may be a second.
	order := slices.Clone(l.facts)
	slices.SortStableFunc(order, func(a, b workflow.Fact) int { return min(len(l.answers[a]), 1) - min(len(l.answers[b]), 1) })
	for _, fact := range order {
		if len(l.nameless) == 0 {
			break
		}
		hidden, err := l.client.namelessGroup(ctx, fact.Arg)
		if err != nil {
			return err
		}
		if !l.nameless[hidden.ID] {
			continue
		}
		delete(l.nameless, hidden.ID)
		group := action.Group{ID: hidden.ID, Name: fact.Arg, Directory: hidden.DirectoryID, Closed: workflow.GroupHidden}
		for _, meant := range l.asked[workflow.GroupKey(fact.Arg)] {
			l.answers[meant] = append(l.answers[meant], group.Values())
		}
	}
	return nil
}

// noID reports whether a search was refused as what it asks for can be no id.
func noID(err error) bool {
	return slices.Contains([]Kind{KindInvalid, KindRefused, KindNotFound}, KindOf(err))
}

// namelessGroup returns the group that is found by a name and shown without one, the zero Group where there
// is none: the search is exact by the documents.
func (c *Client) namelessGroup(ctx context.Context, name string) (found Group, err error) {
	for g, err := range c.SearchGroups(ctx, FindGroups{Names: workflow.GroupSpellings(name)}) {
		if err != nil {
			return Group{}, err
		}
		if g.Name == "" {
			found = g
		}
	}
	return found, nil
}

// groupValues returns a group as facts tell of it, with what its members may do.
func (c *Client) groupValues(ctx context.Context, g Group) (workflow.Values, error) {
	rights, err := c.groupRights(ctx, g)
	if err != nil {
		return nil, err
	}
	return rights.Values(), nil
}

// groupRights returns a group with what its members may do.
func (c *Client) groupRights(ctx context.Context, g Group) (action.Group, error) {
	if g.DirectoryID == "" {
		return action.Group{}, &Error{Operation: opGroupRoles, Kind: KindIncomplete, details: "the group came without its directoryId"}
	}
	roles, err := c.GroupRoles(ctx, g.DirectoryID, g.ID)
	if err != nil {
		return action.Group{}, err
	}
	out := plainGroup(g)
	var gives []string
	for _, r := range roles {
		if slices.Contains(r.Roles, RoleOrgAdmin) {
			out.Closed = workflow.GroupAdmins
			continue
		}
		if product := cmp.Or(r.Product, productOf(r.ResourceID)); len(r.Roles) > 0 && !slices.Contains(gives, product) {
			gives = append(gives, product)
		}
	}
	slices.Sort(gives)
	out.Gives = gives
	return out, nil
}

// plainGroup returns a group as a list shows it.
func plainGroup(g Group) action.Group {
	out := action.Group{ID: g.ID, Name: g.Name, Directory: g.DirectoryID}
	switch {
	case g.Synced, g.ManagedBy == managedOutside:
		out.Closed = workflow.GroupSynced
	case g.Fixed():
		out.Closed = workflow.GroupFixed
	}
	return out
}

// productOf returns the product of a resource by its ARI, "ari:cloud:jira-software::site/…".
func productOf(ari string) string {
	parts := strings.Split(ari, ":")
	if len(parts) < 3 || parts[0] != "ari" {
		return ari
	}
	return parts[2]
}

// readGroupsOf answers which groups an account is in, in all directories.
func readGroupsOf(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		answers[fact] = nil
		for g, err := range c.SearchGroups(ctx, FindGroups{Member: fact.AccountID}) {
			if err != nil {
				return nil, err
			}
			answers[fact] = append(answers[fact], plainGroup(g).Values())
		}
	}
	return answers, nil
}

// readInGroup answers whether an account is in a group.
func readInGroup(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		in, err := c.InGroup(ctx, fact.Directory, fact.Arg, fact.AccountID)
		if err != nil {
			return nil, err
		}
		answers[fact] = []workflow.Values{workflow.Of(workflow.GroupField(fact.Arg), inOrOut(in))}
	}
	return answers, nil
}

// readGroupLeft answers whether an account is in a group, with the listing of the account where the
// search by account and group finds nothing.
func readGroupLeft(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		in, err := c.InGroup(ctx, fact.Directory, fact.Arg, fact.AccountID)
		if err != nil {
			return nil, err
		}
		if !in {
			u, found, err := c.Member(ctx, fact.Directory, fact.AccountID)
			switch {
			case err != nil:
				return nil, err
			case !found:
				return nil, &Error{Operation: opMember, Kind: KindNotFound}
			}
			groups, err := c.groupIDs(ctx, fact.Directory, u)
			if err != nil {
				return nil, err
			}
			in = slices.Contains(groups, fact.Arg)
		}
		answers[fact] = []workflow.Values{workflow.Of(workflow.GroupField(fact.Arg), inOrOut(in))}
	}
	return answers, nil
}

func inOrOut(in bool) string {
	if in {
		return workflow.GroupIn
	}
	return workflow.GroupOut
}

// readMember answers how an account stands with one directory: nothing where that does not list it.
func readMember(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		u, found, err := c.Member(ctx, fact.Directory, fact.AccountID)
		if err != nil {
			return nil, err
		}
		answers[fact] = nil
		if !found || u.MembershipStatus == MembershipNone {
			continue
		}
		groups, err := c.groupIDs(ctx, fact.Directory, u)
		if err != nil {
			return nil, err
		}
		values := workflow.Of(workflow.FieldMembership, u.MembershipStatus)
		for _, id := range groups {
			values.Set(workflow.GroupField(id), workflow.GroupIn)
		}
		answers[fact] = []workflow.Values{values}
	}
	return answers, nil
}

// readDirectories answers which directories there are, and which of them the settings name.
func readDirectories(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	all, err := c.Directories(ctx)
	if err != nil {
		return nil, err
	}
	answers := workflow.Answers{}
	for _, fact := range facts {
		answers[fact] = nil
		for _, each := range all {
			answers[fact] = append(answers[fact], action.DirectoryValues(each.ID, each.Name, each.ID == c.directory))
		}
	}
	return answers, nil
}

func callGroupAdd(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.AddToGroup(ctx, call.Directory, call.Args.Get(workflow.FieldID), call.AccountID)
}

func callGroupRemove(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.RemoveFromGroup(ctx, call.Directory, call.Args.Get(workflow.FieldID), call.AccountID)
}
