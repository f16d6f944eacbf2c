package scim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/wire"
)

// timeLayout is how the API writes times.
const timeLayout = "2006-01-02T15:04:05.000Z"

// shown returns a record as the schema ScimUser.
func (s *Server) shown(in *directory, user *User) map[string]any {
	shown := map[string]any{
		"schemas": []string{userSchema, extension + s.extension}, "id": user.ID, "userName": user.UserName,
		"active": user.Active, "displayName": user.DisplayName,
		"meta": map[string]any{
			"resourceType": "USER", "location": s.url + "/scim/directory/" + in.ID + "/Users/" + user.ID,
			"created": user.Created.Format(timeLayout), "lastModified": user.Modified.Format(timeLayout),
		},
		extension + s.extension: map[string]any{"atlassianAccountId": user.AccountID},
	}
	emails := []map[string]any{}
	for _, each := range user.Emails {
		emails = append(emails, map[string]any{"value": each.Value, "type": each.Type, "primary": each.Primary})
	}
	shown["emails"] = emails
	groups := []map[string]any{}
	for _, each := range in.groups {
		if slices.Contains(each.Members, user.ID) {
			groups = append(groups, map[string]any{
				"type": "GROUP", "value": each.ID, "display": each.Name,
				"$ref": s.url + "/scim/directory/" + in.ID + "/Groups/" + each.ID,
			})
		}
	}
	shown["groups"] = groups
	if user.AccountID == "" {
		delete(shown, extension+s.extension)
	}
	name := map[string]any{}
	for path, field := range user.texts() {
		if *field == "" || path == "userName" || path == "displayName" {
			continue
		}
		if part, inner := strings.CutPrefix(path, "name."); inner {
			name[part] = *field
			continue
		}
		shown[path] = *field
	}
	if len(name) > 0 {
		shown["name"] = name
	}
	return shown
}

// texts returns the attributes that are plain texts, by their paths.
func (u *User) texts() map[string]*string {
	return map[string]*string{
		"userName": &u.UserName, "displayName": &u.DisplayName, "externalId": &u.ExternalID, "nickName": &u.NickName,
		"title": &u.Title, "department": &u.Department, "organization": &u.Organization, "timezone": &u.TimeZone,
		"preferredLanguage": &u.Languages, "name.formatted": &u.Formatted, "name.givenName": &u.GivenName,
		"name.familyName": &u.FamilyName,
	}
}

func (s *Server) listUsers(c *call) wire.Answer {
	return list(c, c.in.users, map[string]func(*User) string{
		"userName": func(u *User) string { return u.UserName }, "externalId": func(u *User) string { return u.ExternalID },
	}, func(u *User) map[string]any { return s.shown(c.in, u) })
}

func (s *Server) getUser(c *call) wire.Answer {
	user := c.in.user(c.id)
	if user == nil {
		return notFound("User", c.id)
	}
	return jsonOf(http.StatusOK, chosen(c, s.shown(c.in, user)))
}

// createUser makes a record and links or makes its account.
func (s *Server) createUser(c *call) wire.Answer {
	var fields map[string]json.RawMessage
	if json.Unmarshal(c.body, &fields) != nil {
		return refuse(http.StatusBadRequest, "invalidSyntax", "The body is not a JSON object.")
	}
	var schemas []string
	if json.Unmarshal(fields["schemas"], &schemas) != nil || !slices.Contains(schemas, userSchema) {
		return refuse(http.StatusBadRequest, "invalidSyntax", "schemas must name "+userSchema+".")
	}
	moment := time.Now().UTC()
	user := &User{ID: s.newID(), Active: true, Created: moment, Modified: moment}
	delete(fields, "schemas")
	for name, value := range fields {
		if bad, no := s.set(c, user, name, value); no {
			return bad
		}
	}
	if user.UserName == "" || user.primary() == "" {
		return refuse(http.StatusBadRequest, "invalidValue", "userName and a primary address in emails are required.")
	}
	if slices.ContainsFunc(c.in.users, func(each *User) bool { return strings.EqualFold(each.UserName, user.UserName) }) {
		return refuse(http.StatusConflict, "uniqueness", "The user "+user.UserName+" exists.")
	}
	if err := s.adopt(c.in, user); err != nil {
		return conflict(err)
	}
	c.in.users = append(c.in.users, user)
	s.effect(c.in, Effect{Kind: "create", UserID: user.ID, AccountID: user.AccountID})
	return jsonOf(http.StatusCreated, chosen(c, s.shown(c.in, user)))
}

// patchUser changes attributes; all operations of a request hold, or none.
func (s *Server) patchUser(c *call) wire.Answer {
	user := c.in.user(c.id)
	if user == nil {
		return notFound("User", c.id)
	}
	operations, bad, no := s.operations(c)
	if no {
		return bad
	}
	next := user.clone()
	var changed []string
	for _, each := range operations {
		attributes := make(map[string]json.RawMessage)
		if each.Path != "" {
			attributes[each.Path] = each.Value
		} else if json.Unmarshal(each.Value, &attributes) != nil {
			return refuse(http.StatusBadRequest, "invalidValue", "Without a path the value must be an object.")
		}
		for path, value := range attributes {
			if strings.EqualFold(each.Op, "remove") {
				value = json.RawMessage(`""`)
			}
			if bad, no := s.set(c, &next, path, value); no {
				return bad
			}
			changed = append(changed, path)
		}
	}
	if next.UserName == "" || next.primary() == "" {
		return refuse(http.StatusBadRequest, "invalidValue", "userName and a primary address in emails are required.")
	}
	before, was := user.AccountID, user.clone()
	if err := s.sync(c.in, user, &next); err != nil {
		return conflict(err)
	}
	slices.Sort(changed)
	s.effect(c.in, Effect{Kind: "patch", UserID: user.ID, AccountID: before, Fields: changed, Was: was, Is: user.clone()})
	return jsonOf(http.StatusOK, chosen(c, s.shown(c.in, user)))
}

// deleteUser removes the record for good and deactivates the account. Nothing brings the record
// back: a client has no reason to ask for it, and it is kept as a violation.
func (s *Server) deleteUser(c *call) wire.Answer {
	s.Violate("DELETE %s: removes the record for good; set active to false instead", c.request.URL.Path)
	user := c.in.user(c.id)
	if user == nil {
		return notFound("User", c.id)
	}
	if err := s.forget(c.in, user); err != nil {
		return conflict(err)
	}
	s.effect(c.in, Effect{Kind: "delete", UserID: user.ID, AccountID: user.AccountID})
	return wire.Answer{Status: http.StatusNoContent, Header: http.Header{}}
}

// operation is the schema OperationForAScimPatch.
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// operations reads the body of a PATCH. The name is Operations, with a capital letter, in spite of
// the schema.
func (s *Server) operations(c *call) ([]operation, wire.Answer, bool) {
	bad := func(detail string) ([]operation, wire.Answer, bool) {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", detail), true
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(c.body, &fields) != nil {
		return bad("The body is not a JSON object.")
	}
	var schemas []string
	if json.Unmarshal(fields["schemas"], &schemas) != nil || !slices.Contains(schemas, patchSchema) {
		return bad("schemas must name " + patchSchema + ".")
	}
	var operations []operation
	if json.Unmarshal(fields["Operations"], &operations) != nil || len(operations) == 0 {
		return bad("Operations must be a list with entries.")
	}
	for _, each := range operations {
		if !slices.Contains([]string{"add", "replace", "remove"}, strings.ToLower(each.Op)) {
			return bad("op must be add, replace or remove.")
		}
	}
	for name := range fields {
		if name != "schemas" && name != "Operations" {
			s.Violate("%s %s: unknown field %q", c.request.Method, c.request.URL.Path, name)
		}
	}
	return operations, wire.Answer{}, false
}

// set writes one attribute.
func (s *Server) set(c *call, user *User, path string, value json.RawMessage) (wire.Answer, bool) {
	wrong := func() (wire.Answer, bool) {
		return refuse(http.StatusBadRequest, "invalidValue", "The value of "+path+" has the wrong type."), true
	}
	if field, is := user.texts()[path]; is {
		if json.Unmarshal(value, field) != nil {
			return wrong()
		}
		return wire.Answer{}, false
	}
	switch path {
	case "active":
		if json.Unmarshal(value, &user.Active) != nil {
			return wrong()
		}
	case "name":
		var parts map[string]string
		if json.Unmarshal(value, &parts) != nil {
			return wrong()
		}
		for part, text := range parts {
			if field, is := user.texts()["name."+part]; is {
				*field = text
			}
		}
	case "emails":
		var emails []Email
		if json.Unmarshal(value, &emails) != nil {
			return wrong()
		}
		user.Emails = emails
	case `emails[primary eq true].value`, `emails[type eq "work"].value`:
		i := slices.IndexFunc(user.Emails, func(each Email) bool {
			return strings.Contains(path, "primary") && each.Primary || strings.Contains(path, "work") && each.Type == "work"
		})
		if i < 0 {
			return refuse(http.StatusBadRequest, "noTarget", "No address matches "+path+"."), true
		}
		if json.Unmarshal(value, &user.Emails[i].Value) != nil {
			return wrong()
		}
	case "phoneNumbers", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": // taken, and not shown
	case "id", "meta", "groups":
		return refuse(http.StatusBadRequest, "mutability", path+" is read-only."), true
	default:
		s.Violate("%s %s: unknown attribute %q", c.request.Method, c.request.URL.Path, path)
		return refuse(http.StatusBadRequest, "invalidPath", "No attribute "+path+"."), true
	}
	return wire.Answer{}, false
}
