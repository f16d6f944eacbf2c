package scim

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/countersign/countersign/sandbox/wire"
)

// groupShown returns a group as the schema ScimGroup.
func (s *Server) groupShown(in *directory, group *Group) map[string]any {
	members := []map[string]any{}
	for _, id := range group.Members {
		if user := in.user(id); user != nil {
			members = append(members, map[string]any{
				"type": "USER", "value": id, "display": user.UserName,
				"$ref": s.url + "/scim/directory/" + in.ID + "/Users/" + id,
			})
		}
	}
	shown := map[string]any{
		"schemas": []string{groupSchema}, "id": group.ID, "displayName": group.Name, "members": members,
		"meta": map[string]any{
			"resourceType": "GROUP", "location": s.url + "/scim/directory/" + in.ID + "/Groups/" + group.ID,
			"created": group.Created.Format(timeLayout), "lastModified": group.Modified.Format(timeLayout),
		},
	}
	if group.ExternalID != "" {
		shown["externalId"] = group.ExternalID
	}
	return shown
}

func (s *Server) listGroups(c *call) wire.Answer {
	return list(c, c.in.groups, map[string]func(*Group) string{
		"displayName": func(g *Group) string { return g.Name },
	}, func(g *Group) map[string]any { return s.groupShown(c.in, g) })
}

func (s *Server) getGroup(c *call) wire.Answer {
	group := c.in.group(c.id)
	if group == nil {
		return notFound("Group", c.id)
	}
	return jsonOf(http.StatusOK, chosen(c, s.groupShown(c.in, group)))
}

func (s *Server) createGroup(c *call) wire.Answer {
	var body struct {
		Schemas     []string `json:"schemas"`
		DisplayName string   `json:"displayName"`
		ExternalID  string   `json:"externalId"`
	}
	if json.Unmarshal(c.body, &body) != nil || !slices.Contains(body.Schemas, groupSchema) {
		return refuse(http.StatusBadRequest, "invalidSyntax", "schemas must name "+groupSchema+".")
	}
	group, err := s.newGroup(c.in, body.DisplayName, body.ExternalID)
	switch {
	case errors.Is(err, errName):
		return conflict(err)
	case err != nil:
		return refuse(http.StatusBadRequest, "invalidValue", err.Error())
	}
	s.effect(c.in, Effect{Kind: "group-create", GroupID: group.ID})
	return jsonOf(http.StatusCreated, s.groupShown(c.in, group))
}

// oneMember is a path that names one member.
var oneMember = regexp.MustCompile(`^members\[value eq "([^"]+)"\]$`)

// patchGroup adds and removes members; the name cannot be changed. All operations of a request
// hold, or none.
func (s *Server) patchGroup(c *call) wire.Answer {
	group := c.in.group(c.id)
	if group == nil {
		return notFound("Group", c.id)
	}
	operations, bad, no := s.operations(c)
	if no {
		return bad
	}
	members := slices.Clone(group.Members)
	for _, each := range operations {
		var named []struct {
			Value string `json:"value"`
		}
		if match := oneMember.FindStringSubmatch(each.Path); match != nil {
			each.Path, each.Value = "members", json.RawMessage(`[{"value":"`+match[1]+`"}]`)
		}
		switch {
		case each.Path == "displayName":
			return refuse(http.StatusBadRequest, "mutability", "A group cannot be renamed.")
		case each.Path != "members":
			return refuse(http.StatusBadRequest, "invalidPath", "No attribute "+each.Path+".")
		case json.Unmarshal(each.Value, &named) != nil:
			return refuse(http.StatusBadRequest, "invalidValue", "members must be a list of values.")
		}
		if strings.EqualFold(each.Op, "replace") {
			members = nil
		}
		for _, one := range named {
			if c.in.user(one.Value) == nil {
				return notFound("User", one.Value)
			}
			members = slices.DeleteFunc(members, func(id string) bool { return id == one.Value })
			if !strings.EqualFold(each.Op, "remove") {
				members = append(members, one.Value)
			}
		}
	}
	before := group.Members
	if err := s.setMembers(c.in, group, members); err != nil {
		return refuse(http.StatusBadRequest, "invalidValue", err.Error())
	}
	s.memberEffects(c.in, group, before)
	return jsonOf(http.StatusOK, s.groupShown(c.in, group))
}

func (s *Server) memberEffects(in *directory, group *Group, before []string) {
	tell := func(kind string, of, without []string) {
		for _, id := range of {
			if slices.Contains(without, id) {
				continue
			}
			done := Effect{Kind: kind, UserID: id, GroupID: group.ID}
			if user := in.user(id); user != nil {
				done.AccountID = user.AccountID
			}
			s.effect(in, done)
		}
	}
	tell("member-add", group.Members, before)
	tell("member-remove", before, group.Members)
}
