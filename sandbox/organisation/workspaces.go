package organisation

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const maxWorkspaces = 1000 // a page, from the schema SearchWorkspacesRequestV2

// workspaceJSON is the schema WorkspaceModel.
type workspaceJSON struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Attributes struct {
		Name     string   `json:"name"`
		Type     string   `json:"type"`
		TypeKey  string   `json:"typeKey"`
		HostURL  string   `json:"hostUrl,omitempty"`
		Status   string   `json:"status"`
		Capacity *int     `json:"capacity"`
		Labels   []string `json:"labels"`
	} `json:"attributes"`
	Links selfJSON `json:"links"`
}

// workspacesRequest is the schema SearchWorkspacesRequestV2, and with From the position of a
// cursor.
type workspacesRequest struct {
	Limit int             `json:"limit,omitempty"`
	Query json.RawMessage `json:"query,omitempty"`
	From  int             `json:"from,omitempty"`
}

// workspaceQuery is the part of QueryVariants that is answered here.
type workspaceQuery struct {
	And    []workspaceQuery `json:"and"`
	Nor    []workspaceQuery `json:"nor"`
	Search string           `json:"searchWorkspaces"`
	Field  *struct {
		Name   string   `json:"name"`
		Values []string `json:"values"`
	} `json:"field"`
}

// searchWorkspaces is POST /admin/v2/orgs/{orgId}/workspaces: the apps of the organisation's sites.
// The schema calls the links URLs, though the call takes its cursor in the body: they are cursors
// here, as in the other v2 lists.
func (o *Organisation) searchWorkspaces(x *exchange) answer {
	// The errors of this call are documented bare, without the list around them.
	bare := func(status int, code, title, detail string) answer {
		return answer{status: status, body: errorJSON{
			ID: o.newID(), Code: code, Status: strconv.Itoa(status), Title: title, Detail: detail,
		}}
	}
	if x.path[0] != o.orgID {
		return bare(http.StatusNotFound, "ADMIN-404-2", "Organization not found", "")
	}
	bad := func(detail string) answer {
		return bare(http.StatusBadRequest, "ADMIN-400-4", "Invalid resource", detail)
	}
	request, query := workspacesRequest{Limit: defaultLimit}, workspaceQuery{}
	if len(x.body) > 0 {
		fields, err := object(x.body)
		if err != nil {
			return bad(err.Error())
		}
		o.checkFields(x, fields, "cursor", "limit", "query", "sort")
		if fields["cursor"] != nil && string(fields["cursor"]) != "null" {
			var cursor string
			if len(fields) > 1 || json.Unmarshal(fields["cursor"], &cursor) != nil ||
				!o.readCursor("workspaces", cursor, &request) {
				return bad("the cursor is not valid, or has other fields beside it")
			}
		} else if json.Unmarshal(x.body, &request) != nil {
			return bad("a field has the wrong type")
		}
	}
	if request.Limit < 1 || request.Limit > maxWorkspaces {
		return bad("limit must be from 1 to 1000")
	}
	if len(request.Query) > 0 && json.Unmarshal(request.Query, &query) != nil {
		return bad("the query is not valid")
	}
	var found []Workspace
	for _, each := range o.workspaces {
		if query.matches(each) {
			found = append(found, each)
		}
	}
	page := struct {
		Data  []workspaceJSON `json:"data"`
		Links linksJSON       `json:"links"`
		Meta  struct {
			PageSize int `json:"pageSize"`
			Total    int `json:"total"`
		} `json:"meta"`
	}{Data: []workspaceJSON{}, Links: linksJSON{Self: o.makeCursor("workspaces", request)}}
	page.Meta.PageSize, page.Meta.Total = request.Limit, len(found)
	end := min(request.From+request.Limit, len(found))
	for _, each := range found[min(request.From, end):end] {
		shown := workspaceJSON{ID: each.ID, Type: "workspace"}
		shown.Attributes.Name, shown.Attributes.Type = each.Name, each.Type
		shown.Attributes.TypeKey, shown.Attributes.HostURL = each.TypeKey, each.URL
		shown.Attributes.Status, shown.Attributes.Labels = "online", []string{}
		if each.Seats > 0 {
			shown.Attributes.Capacity = &each.Seats
		}
		shown.Links.Self = o.makeCursor("workspace", each.ID)
		page.Data = append(page.Data, shown)
	}
	if end < len(found) {
		request.From = end
		page.Links.Next = o.makeCursor("workspaces", request)
	}
	return success(page)
}

func (q *workspaceQuery) matches(workspace Workspace) bool {
	if slices.ContainsFunc(q.And, func(each workspaceQuery) bool { return !each.matches(workspace) }) ||
		slices.ContainsFunc(q.Nor, func(each workspaceQuery) bool { return each.matches(workspace) }) {
		return false
	}
	if q.Field != nil && len(q.Field.Values) > 0 {
		value := map[string]string{
			"id": workspace.ID, "name": workspace.Name, "type": workspace.Type, "typeKey": workspace.TypeKey,
			"hostUrl": workspace.URL,
		}[q.Field.Name]
		if !slices.Contains(q.Field.Values, value) {
			return false
		}
	}
	term := strings.ToLower(q.Search)
	return strings.Contains(strings.ToLower(workspace.Name), term) || strings.Contains(strings.ToLower(workspace.URL), term)
}
