package atlassian

import "context"

// allDirectories stands for every directory that the key may see; for reads only.
const allDirectories = "-"

// UserDirectory is one of the organisation's directories (organizations API v2,
// MultiDirectoryUserDirectory).
type UserDirectory struct {
	ID   string `json:"directoryId"`
	Name string `json:"name"`
}

func (d UserDirectory) missing() string { return lacks("directoryId", d.ID) }

// Directories lists the organisation's directories (organizations API v2, getDirectoriesForOrg).
func (c *Client) Directories(ctx context.Context) ([]UserDirectory, error) {
	var all []UserDirectory
	l := byCursor[UserDirectory](opDirectories, "/admin/v2/orgs/"+c.org+"/directories")
	for d, err := range entries(ctx, c.admin, l) {
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// directoryPath returns where the v2 calls of a directory begin.
func (c *Client) directoryPath(directory string) string {
	return "/admin/v2/orgs/" + c.org + "/directories/" + directory
}
