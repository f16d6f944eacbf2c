package atlassian

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// UserDirectory is one of the organisation's directories (organizations API v2, MultiDirectoryUserDirectory).
type UserDirectory struct {
	ID   string `json:"directoryId"`
	Name string `json:"name"`
}

// Directories lists the organisation's directories (organizations API v2, getDirectoriesForOrg).
func (c *Client) Directories(ctx context.Context) ([]UserDirectory, error) {
	var all []UserDirectory
	query := url.Values{"limit": {strconv.Itoa(maxPage)}}
	for seen := map[string]bool{}; ; {
		var p userPage[UserDirectory]
		call := request{
			operation: opDirectories, method: http.MethodGet,
			path: "/admin/v2/orgs/" + c.org + "/directories", query: query,
		}
		if err := c.read(ctx, call, readBudget, &p); err != nil {
			return nil, err
		}
		all = append(all, p.Data...)
		next := p.Links.Next
		if next == "" {
			return all, nil
		}
		if seen[next] {
			return nil, circle(opDirectories)
		}
		seen[next] = true
		query = url.Values{"cursor": {next}, "limit": {strconv.Itoa(maxPage)}}
	}
}
