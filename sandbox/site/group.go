package site

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/countersign/countersign/sandbox/wire"
)

// groupNameJSON is the schema GroupName, and with users left out that of Group.
type groupNameJSON struct {
	Name    string `json:"name"`
	GroupID string `json:"groupId"`
	Self    string `json:"self"`
}

// groupDetailsJSON is the schema GroupDetails.
type groupDetailsJSON struct {
	Name    string `json:"name"`
	GroupID string `json:"groupId"`
}

func (s *Site) groupName(group Group) groupNameJSON {
	return groupNameJSON{group.Name, group.ID, s.config.URL + base + "group?groupId=" + url.QueryEscape(group.ID)}
}

// groupNames returns the groups of a user. The caller holds s.mu.
func (s *Site) groupNames(user *User) []groupNameJSON {
	names := []groupNameJSON{}
	for _, each := range s.groups {
		if slices.Contains(user.Groups, each.ID) {
			names = append(names, s.groupName(each))
		}
	}
	return names
}

func (s *Site) userGroups(c *call) wire.Answer {
	user, refused := s.found(c, s.denied.Browse)
	if user == nil {
		return refused
	}
	return jsonOf(http.StatusOK, s.groupNames(user))
}

// group returns the group that the call names, by its id or by its name as it is now, or the
// refusal.
func (s *Site) group(c *call) (Group, bool, wire.Answer) {
	id, name := c.query.Get("groupId"), c.query.Get("groupname")
	if (id == "") == (name == "") {
		return Group{}, false, errorOf(http.StatusBadRequest, "Either groupId or groupname must be given.")
	}
	for _, each := range s.groups {
		if id != "" && each.ID == id || name != "" && each.Name == name {
			return each, true, wire.Answer{}
		}
	}
	return Group{}, false, errorOf(http.StatusNotFound, "The group '"+id+name+"' does not exist.")
}

func (s *Site) joinGroup(c *call) wire.Answer {
	if s.denied.SiteAdmin {
		return forbidden()
	}
	group, ok, refused := s.group(c)
	if !ok {
		return refused
	}
	var body struct {
		AccountID string `json:"accountId"`
	}
	if json.Unmarshal(c.body, &body) != nil || body.AccountID == "" {
		return errorOf(http.StatusBadRequest, "accountId is required.")
	}
	user := s.user(body.AccountID)
	if user == nil {
		return errorOf(http.StatusNotFound, "User does not exist.")
	}
	if slices.Contains(user.Groups, group.ID) {
		return errorOf(http.StatusBadRequest,
			fmt.Sprintf("Cannot add user. '%s' is already a member of '%s'.", user.Name, group.Name))
	}
	if group.Seats > 0 && len(s.members(group, false)) >= group.Seats {
		return errorOf(http.StatusBadRequest,
			"LicenceExceededException: adding the user exceeds the user limit of your licence.")
	}
	user.Groups = append(user.Groups, group.ID)
	s.effect(Effect{AccountID: user.AccountID, Kind: "group-add", Group: group.ID})
	return jsonOf(http.StatusCreated, s.groupName(group))
}

// leaveGroup is 404 for someone who is no member, as for a user that is not there.
func (s *Site) leaveGroup(c *call) wire.Answer {
	if s.denied.SiteAdmin {
		return forbidden()
	}
	group, ok, refused := s.group(c)
	if !ok {
		return refused
	}
	user := s.user(c.query.Get("accountId"))
	if user == nil || !slices.Contains(user.Groups, group.ID) {
		return errorOf(http.StatusNotFound, "The user is not in the group '"+group.Name+"'.")
	}
	user.Groups = slices.DeleteFunc(user.Groups, func(id string) bool { return id == group.ID })
	s.effect(Effect{AccountID: user.AccountID, Kind: "group-remove", Group: group.ID})
	return empty(http.StatusOK)
}

func (s *Site) bulkGroups(c *call) wire.Answer {
	if s.denied.Browse {
		return forbidden()
	}
	ids, names := c.query["groupId"], c.query["groupName"]
	found := []groupDetailsJSON{}
	for _, each := range s.groups {
		if len(ids)+len(names) == 0 || slices.Contains(ids, each.ID) || slices.Contains(names, each.Name) {
			found = append(found, groupDetailsJSON{each.Name, each.ID})
		}
	}
	return pageOf(s, c, found, defaultSearch, mostUsers)
}

// groupMembers hides inactive users unless they are asked for.
func (s *Site) groupMembers(c *call) wire.Answer {
	if s.denied.Browse {
		return forbidden()
	}
	group, ok, refused := s.group(c)
	if !ok {
		return refused
	}
	members := []userJSON{}
	for _, each := range s.members(group, c.query.Get("includeInactiveUsers") == "true") {
		members = append(members, s.shown(each))
	}
	return pageOf(s, c, members, defaultSearch, mostUsers)
}

func (s *Site) members(group Group, inactive bool) []*User {
	var members []*User
	for _, each := range s.users {
		if slices.Contains(each.Groups, group.ID) && (inactive || !each.Inactive) {
			members = append(members, each)
		}
	}
	return members
}
