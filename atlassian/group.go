package atlassian

import (
	"context"
	"fmt"
	"iter"
	"net/http"
)

// MaxGroupNames is how many names one search takes (organizations API v2, MultiDirectoryGroupSearchRequest).
const MaxGroupNames = 100

// Group is a group of one of the organisation's directories (organizations API v2, MultiDirectoryGroup).
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DirectoryID string `json:"directoryId"`
}

// groupSearch is the body of a search for groups. With a cursor the names are left out, as they would be ignored.
type groupSearch struct {
	Names  []string `json:"groupNames,omitempty"`
	Limit  int      `json:"limit"`
	Cursor string   `json:"cursor,omitempty"`
}

// GroupsNamed finds the groups with these names, 1 to MaxGroupNames, exactly and in any case, in all directories; there
// may be several of a name. A name twice in one call is answered 400. The sequence ends with an error or is complete
// (organizations API v2, searchDirectoryGroups).
func (c *Client) GroupsNamed(ctx context.Context, names []string) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		if len(names) == 0 || len(names) > MaxGroupNames {
			yield(Group{}, fmt.Errorf("search groups: %d names", len(names)))
			return
		}
		body := groupSearch{Names: names, Limit: maxPage}
		path := c.directoryPath(allDirectories) + "/groups/search"
		for seen := map[string]bool{}; ; {
			var p userPage[Group]
			call := request{operation: opGroups, method: http.MethodPost, path: path, body: body}
			if err := c.read(ctx, call, readBudget, &p); err != nil {
				yield(Group{}, err)
				return
			}
			for _, g := range p.Data {
				if !yield(g, nil) {
					return
				}
			}
			next := p.Links.Next
			if next == "" {
				return
			}
			if seen[next] {
				yield(Group{}, circle(opGroups))
				return
			}
			seen[next] = true
			body = groupSearch{Cursor: next, Limit: maxPage}
		}
	}
}
