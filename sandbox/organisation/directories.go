package organisation

import (
	"net/http"
	"slices"
	"strings"
)

// What the v2 calls take at most, from the schemas of the organizations file.
const (
	maxLimit          = 100
	defaultLimit      = 20 // of the lists
	defaultUsersLimit = 50 // of users/search
	maxEmails         = 100
	maxNames          = 100 // of groups
	maxFilter         = 10  // of most lists of ids
	maxResources      = 20
)

// directoryJSON is the schema MultiDirectoryUserDirectory.
type directoryJSON struct {
	ID   string `json:"directoryId"`
	Name string `json:"name"`
	Icon string `json:"icon"`
}

// directoriesRequest is the parameters of GET /v2/orgs/{orgId}/directories, and with From the
// position of its cursor.
type directoriesRequest struct {
	AccountID  string   `json:"a,omitempty"`
	IDs        []string `json:"d,omitempty"`
	SearchTerm string   `json:"s,omitempty"`
	Limit      int      `json:"l"`
	From       int      `json:"f"`
	Turn       int      `json:"t,omitempty"` // of endless pages
}

// getDirectories is GET /admin/v2/orgs/{orgId}/directories.
func (o *Organisation) getDirectories(x *exchange) answer {
	if x.path[0] != o.orgID { // no 404 is declared here
		return o.adminErrors(http.StatusBadRequest, "ADMIN-400-4", "Invalid resource", "")
	}
	request := directoriesRequest{
		AccountID:  x.query.Get("accountId"),
		IDs:        x.query["directoryIds"],
		SearchTerm: x.query.Get("searchTerm"),
	}
	limit, problem := limitOf(x.query)
	if problem != "" {
		return o.badRequest(problem)
	}
	request.Limit = limit
	if len(request.IDs) > maxFilter {
		return o.badRequest("directoryIds must have 1 to 10 entries")
	}
	// "If present, all other parameters are discarded when searching."
	if cursor := x.query.Get("cursor"); cursor != "" && !o.readCursor("directories", cursor, &request) {
		return o.badCursor()
	}
	var matching []Directory
	for _, each := range o.directories {
		if o.inDirectory(request, each) {
			matching = append(matching, each)
		}
	}
	page := struct {
		Data  []directoryJSON `json:"data"`
		Links linksJSON       `json:"links"`
	}{Data: []directoryJSON{}, Links: linksJSON{Self: o.makeCursor("directories", request)}}
	if o.endless(x) {
		request.Turn++
		page.Links.Next = o.makeCursor("directories", request)
		return success(page)
	}
	end := min(request.From+request.Limit, len(matching))
	for _, each := range matching[min(request.From, end):end] {
		page.Data = append(page.Data, directoryJSON{
			ID: each.ID, Name: each.Name, Icon: "https://icons.example.com/" + each.ID + ".png",
		})
	}
	if end < len(matching) {
		request.From = end
		page.Links.Next = o.makeCursor("directories", request)
	}
	return success(page)
}

func (o *Organisation) inDirectory(request directoriesRequest, directory Directory) bool {
	if request.AccountID != "" {
		member, known := o.accounts[request.AccountID]
		if !known || !member.shown() || member.membershipIn(directory.ID) == "no_membership" {
			return false
		}
	}
	if len(request.IDs) > 0 && !slices.Contains(request.IDs, directory.ID) {
		return false
	}
	return strings.Contains(strings.ToLower(directory.Name), strings.ToLower(request.SearchTerm))
}

// directory reports whether a path's directory is one of ours; "-" is all of them, for reads.
func (o *Organisation) directory(id string) bool {
	return id == "-" || slices.ContainsFunc(o.directories, func(each Directory) bool { return each.ID == id })
}

func (o *Organisation) badRequest(detail string) answer {
	return o.adminErrors(http.StatusBadRequest, "ADMIN-400-24", "Invalid request body", detail)
}
