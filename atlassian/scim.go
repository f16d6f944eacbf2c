package atlassian

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// SCIMConfig is what NewSCIM needs beside what it shares with the admin APIs.
type SCIMConfig struct {
	Name        string // in the settings
	DirectoryID string
	Key         func() string // of the directory, not the organisation's
}

// SCIM makes calls to one SCIM directory (user provisioning API): with its own key, at its own pace.
// It never deletes: DELETE takes a record away for good, and deactivates its account (Atlassian's
// text of the call, in jira.js). It is safe for use by several goroutines.
type SCIM struct {
	name, id string
	base     string // path of the directory, escaped
	api      *caller
}

// NewSCIM returns a client of a SCIM directory. It starts nothing and calls nobody. Of the Config it
// takes what all callers share: BaseURL, HTTP, Log, Rand, Workers, Pace, Memory and OnCall.
func NewSCIM(directory SCIMConfig, cfg Config) (*SCIM, error) {
	if directory.Name == "" || directory.Key == nil || !accountID.MatchString(directory.DirectoryID) {
		return nil, errors.New("new SCIM directory: it needs a name, an id and a key")
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	id := url.PathEscape(directory.DirectoryID)
	api, err := newCaller(host{
		base: cfg.BaseURL, owner: id, memoryName: "atlassian scim " + directory.Name,
		authorize: func() credential { return bearer(directory.Key()) }, classify: classifySCIM,
	}, cfg)
	if err != nil {
		return nil, fmt.Errorf("new SCIM directory %s: %w", directory.Name, err)
	}
	return &SCIM{name: directory.Name, id: directory.DirectoryID, base: "/scim/directory/" + id, api: api}, nil
}

// For returns the client for the calls of one party, as Client.For does.
func (s *SCIM) For(party int64) *SCIM {
	own := *s
	own.api = s.api.For(party)
	return &own
}

// Name returns the directory's name in the settings.
func (s *SCIM) Name() string { return s.name }

// Restore takes over what a SCIM with the same key knew of limits. It must be called before the first
// call.
func (s *SCIM) Restore(ctx context.Context) { s.api.gate.Restore(ctx) }

// Close saves what is known of limits, and closes connections that are not in use.
func (s *SCIM) Close() { s.api.close() }

// classifySCIM returns what an answer means that is no success (schema ScimError, and Failure of the
// gateway). The key of another directory is 403, at a read, too; at a write alone it is a no to what
// is asked.
func classifySCIM(call request, status int, body []byte, clean func(string) string) *Error {
	var told struct {
		Type   string `json:"scimType"`
		Detail string `json:"detail"`
		Error  string `json:"error"`
	}
	_ = json.Unmarshal(body, &told) // what does not fit stays empty
	e := &Error{Operation: call.operation, Status: status, Key: clean(told.Type), Message: clean(told.Detail)}
	if e.Message == "" {
		e.Message = clean(told.Error)
	}
	switch {
	case status == http.StatusForbidden && call.write:
		e.Kind = KindForbidden
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Kind = KindKeyRefused
	case status == http.StatusNotFound:
		e.Kind = KindNotFound
	case status == http.StatusTooManyRequests:
		e.Kind = KindThrottled
	case status == http.StatusConflict && call.write:
		e.Kind = KindProbableCollision
	case status == http.StatusBadRequest && call.write:
		e.Kind, e.Violations = KindInvalid, []string{e.Message}
	default:
		e.Kind = kindOfStatus(call, status)
	}
	return e
}

// SCIMUser is a record of a SCIM directory (schema ScimUser), as much of it as is used here.
type SCIMUser struct {
	ID          string `json:"id"`
	ExternalID  string `json:"externalId"`
	UserName    string `json:"userName"`
	DisplayName string `json:"displayName"`
	Name        struct {
		Formatted string `json:"formatted"`
	} `json:"name"`
	Emails json.RawMessage `json:"emails"`
	Active bool            `json:"active"`
	Groups []struct {
		Value string `json:"value"`
	} `json:"groups"`
	Meta struct {
		LastModified string `json:"lastModified"`
	} `json:"meta"`
	AccountID string `json:"-"` // of the extension

	activeTold bool // the answer tells whether it is active
}

// scimAccount is the extension that names the account. Both versions are in use.
type scimAccount struct {
	Old struct {
		AccountID string `json:"atlassianAccountId"`
	} `json:"urn:scim:schemas:extension:atlassian-external:1.0"`
	New struct {
		AccountID string `json:"atlassianAccountId"`
	} `json:"urn:scim:schemas:extension:atlassian-external:1.1"`
}

// UnmarshalJSON reads a record with the extension.
func (u *SCIMUser) UnmarshalJSON(raw []byte) error {
	type plain SCIMUser
	var extension scimAccount
	var told struct {
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(raw, (*plain)(u)); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &extension); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		return err
	}
	u.activeTold = told.Active != nil
	u.AccountID = extension.Old.AccountID
	if extension.New.AccountID != "" {
		u.AccountID = extension.New.AccountID
	}
	return nil
}

// missing: a record without its userName could pass for nobody's.
func (u *SCIMUser) missing() string { return cmp.Or(lacks("id", u.ID), lacks("userName", u.UserName)) }

// noRecord: a record that is not said to be active or not could pass for deactivated.
func noRecord(u SCIMUser) string {
	if what := u.missing(); what != "" || u.activeTold {
		return what
	}
	return "there is no active"
}

// SCIMGroup is a group of a SCIM directory (schema ScimGroup).
type SCIMGroup struct {
	ID   string `json:"id"`
	Name string `json:"displayName"`
}

func (g *SCIMGroup) missing() string { return cmp.Or(lacks("id", g.ID), lacks("displayName", g.Name)) }

// scimList is one page of a list (schemas ScimUserListResponse, ScimGroupListResponse).
type scimList[T any] struct {
	Total     *int `json:"totalResults"`
	Resources []T  `json:"Resources"`
}

func (l *scimList[T]) missing() string {
	if l.Total == nil || *l.Total > 0 && len(l.Resources) == 0 {
		return "there is no list in it"
	}
	for i := range l.Resources {
		if each, is := any(&l.Resources[i]).(answered); is && each.missing() != "" {
			return fmt.Sprintf("entry %d of %d: %s", i+1, len(l.Resources), each.missing())
		}
	}
	return ""
}

// User reads a record (GET Users/{id}). KindNotFound: there is none of that id.
func (s *SCIM) User(ctx context.Context, id, account string) (SCIMUser, error) {
	answer := one[SCIMUser]{lack: noRecord}
	if !accountID.MatchString(id) {
		return SCIMUser{}, badID(opSCIMUser)
	}
	call := request{operation: opSCIMUser, method: http.MethodGet, path: s.base + "/Users/" + url.PathEscape(id), account: account}
	err := read(ctx, s.api, call, checkBudget, &answer)
	return answer.value, err
}

// eq is a filter for one exact match, the only kind that there is.
func eq(attribute, value string) (url.Values, bool) {
	quoted, err := json.Marshal(value)
	return url.Values{"filter": {attribute + " eq " + string(quoted)}}, err == nil && !strings.ContainsAny(value, "\"\\")
}

// UserNamed finds the record of that userName, found false where there is none (GET Users, filter). same
// reports whether the userName of a record is that name.
func (s *SCIM) UserNamed(ctx context.Context, name string, same func(string) bool) (user SCIMUser, found bool, err error) {
	query, sound := eq("userName", name)
	if !sound {
		return SCIMUser{}, false, nil // no address has such a letter
	}
	var page scimList[SCIMUser]
	call := request{operation: opSCIMUsers, method: http.MethodGet, path: s.base + "/Users", query: query}
	if err := read(ctx, s.api, call, checkBudget, &page); err != nil {
		return SCIMUser{}, false, err
	}
	for _, u := range page.Resources { // the filter is exact by the documents; a fuzzy answer must not pass
		if same(u.UserName) {
			return u, true, nil
		}
	}
	return SCIMUser{}, false, nil
}

// GroupsNamed finds the groups of exactly that displayName (GET Groups, filter).
func (s *SCIM) GroupsNamed(ctx context.Context, name string) ([]SCIMGroup, error) {
	query, sound := eq("displayName", name)
	if !sound {
		return nil, nil
	}
	var page scimList[SCIMGroup]
	call := request{operation: opSCIMGroups, method: http.MethodGet, path: s.base + "/Groups", query: query}
	if err := read(ctx, s.api, call, readBudget, &page); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(page.Resources, func(g SCIMGroup) bool { return g.Name != name || g.ID == "" }), nil
}

// Group reads a group by its id (GET Groups/{id}). KindNotFound: there is none of that id.
func (s *SCIM) Group(ctx context.Context, id string) (SCIMGroup, error) {
	var group SCIMGroup
	if !accountID.MatchString(id) {
		return SCIMGroup{}, badID(opSCIMGroup)
	}
	call := request{operation: opSCIMGroup, method: http.MethodGet, path: s.base + "/Groups/" + url.PathEscape(id)}
	err := read(ctx, s.api, call, readBudget, &group)
	return group, err
}

// SCIMSample is what a look at some records of a directory tells.
type SCIMSample struct {
	Total    int    // records in the directory
	Looked   int    // of these, the ones that were looked at
	External int    // of these, with an externalId, which identity providers write and nobody here does
	Newest   string // when the last of them was modified, RFC 3339; "" where none says so
}

// Check looks at the first records of the directory. KindKeyRefused: it does not take its key.
func (s *SCIM) Check(ctx context.Context) (SCIMSample, error) {
	var page scimList[SCIMUser]
	query := url.Values{"startIndex": {"1"}, "count": {strconv.Itoa(maxPage)}}
	call := request{operation: opSCIMUsers, method: http.MethodGet, path: s.base + "/Users", query: query}
	if err := read(ctx, s.api, call, readBudget, &page); err != nil {
		return SCIMSample{}, err
	}
	out := SCIMSample{Total: *page.Total, Looked: len(page.Resources)}
	for _, u := range page.Resources {
		if u.ExternalID != "" {
			out.External++
		}
		out.Newest = max(out.Newest, u.Meta.LastModified)
	}
	return out, nil
}

// The schemas that requests name.
const (
	scimPatchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	scimUserSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
)

// scimOperation is one change of a PATCH (schema OperationForAScimPatch).
type scimOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// scimPatch is the body of a PATCH. The document's schema says "operations", its example and every
// client "Operations".
type scimPatch struct {
	Schemas    []string        `json:"schemas"`
	Operations []scimOperation `json:"Operations"`
}

func (s *SCIM) patch(ctx context.Context, operation, path, account string, operations ...scimOperation) error {
	return s.api.write(ctx, request{
		operation: operation, method: http.MethodPatch, path: s.base + path, account: account,
		body: scimPatch{[]string{scimPatchSchema}, operations},
	})
}

func replace(path string, value any) scimOperation { return scimOperation{"replace", path, value} }

// PatchUser changes attributes of a record (PATCH Users/{id}; success is 200).
func (s *SCIM) PatchUser(ctx context.Context, id, account string, operations ...scimOperation) error {
	if !accountID.MatchString(id) {
		return badID(opSCIMPatch)
	}
	return s.patch(ctx, opSCIMPatch, "/Users/"+url.PathEscape(id), account, operations...)
}

// AddMember puts a record into a group (PATCH Groups/{id}; success is 200), and RemoveMember takes it
// out.
func (s *SCIM) AddMember(ctx context.Context, group, user, account string) error {
	return s.members(ctx, opSCIMGroupAdd, "add", group, user, account)
}

// RemoveMember takes a record out of a group (PATCH Groups/{id}; success is 200).
func (s *SCIM) RemoveMember(ctx context.Context, group, user, account string) error {
	return s.members(ctx, opSCIMGroupRemove, "remove", group, user, account)
}

func (s *SCIM) members(ctx context.Context, operation, op, group, user, account string) error {
	if !accountID.MatchString(group) || !accountID.MatchString(user) {
		return badID(operation)
	}
	members := []map[string]string{{"value": user}}
	return s.patch(ctx, operation, "/Groups/"+url.PathEscape(group), account, scimOperation{op, "members", members})
}

// Create makes a record for an address, with an account where there is none, and returns it, empty
// where the answer was a yes and does not tell it (POST Users; success is 201). KindProbableCollision:
// it exists.
func (s *SCIM) Create(ctx context.Context, address, name string) (SCIMUser, error) {
	type email struct {
		Value   string `json:"value"`
		Type    string `json:"type"`
		Primary bool   `json:"primary"`
	}
	body := struct {
		Schemas  []string          `json:"schemas"`
		UserName string            `json:"userName"`
		Emails   []email           `json:"emails"`
		Name     map[string]string `json:"name"`
		Display  string            `json:"displayName"`
		Active   bool              `json:"active"`
	}{[]string{scimUserSchema}, address, []email{{address, "work", true}}, map[string]string{"formatted": name}, name, true}
	told, err := s.api.writeAnswered(ctx, request{operation: opSCIMCreate, method: http.MethodPost, path: s.base + "/Users", body: body})
	var user SCIMUser
	if err == nil {
		_ = json.Unmarshal(told.body, &user) // the status says yes; without an id it is looked for by address
	}
	return user, err
}

// SCIMLink is a record that an account is tied to (get-scim-links; in no document, as jira.js has
// measured it).
type SCIMLink struct {
	DirectoryID string `json:"directoryId"`
	UserID      string `json:"scimUserId"`
}

type scimLinks struct {
	Links []SCIMLink `json:"scimLinks"`
}

func (l *scimLinks) missing() string {
	if l.Links == nil {
		return "there is no list in it"
	}
	for _, each := range l.Links {
		if each.DirectoryID == "" || each.UserID == "" {
			return "a link lacks its directory or record"
		}
	}
	return ""
}

// SCIMLinks lists the records that an account is tied to, with the organisation's key (GET
// get-scim-links of user provisioning).
func (c *Client) SCIMLinks(ctx context.Context, id string) ([]SCIMLink, error) {
	if !accountID.MatchString(id) {
		return nil, badID(opSCIMLinks)
	}
	var links scimLinks
	path := "/admin/user-provisioning/v1/org/" + c.org + "/user/" + url.PathEscape(id) + "/get-scim-links"
	err := read(ctx, c.admin, request{operation: opSCIMLinks, method: http.MethodGet, path: path}, readBudget, &links)
	return links.Links, err
}
