package workspace

import (
	"slices"
	"strings"
	"time"
)

const pageOfPeople = 200

func authTest(w *Workspace, _ *call) (map[string]any, error) {
	return map[string]any{
		"url": w.baseURL + "/", "team": w.cfg.TeamName, "user": w.cfg.AppName, "team_id": w.cfg.TeamID, "user_id": BotUserID,
		"bot_id": BotID, "is_enterprise_install": false,
	}, nil
}

func teamInfo(w *Workspace, _ *call) (map[string]any, error) {
	return map[string]any{"team": map[string]any{
		"id": w.cfg.TeamID, "name": w.cfg.TeamName, "domain": w.domain(), "email_domain": "", "icon": map[string]any{},
	}}, nil
}

// domain returns the workspace's part of slack.com.
func (w *Workspace) domain() string {
	return strings.ReplaceAll(strings.ToLower(w.cfg.TeamName), " ", "-")
}

func botsInfo(w *Workspace, c *call) (map[string]any, error) {
	if id := c.arg("bot"); id != "" && id != BotID {
		return nil, refuse("bot_not_found")
	}
	return map[string]any{"bot": map[string]any{
		"id": BotID, "deleted": false, "name": w.cfg.AppName, "updated": 0, "app_id": AppID, "user_id": BotUserID,
		"icons": map[string]any{},
	}}, nil
}

func usersInfo(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("user"); err != nil {
		return nil, err
	}
	p := w.person(c.arg("user"))
	if p == nil {
		return nil, refuse("user_not_found")
	}
	return map[string]any{"user": w.personWire(p)}, nil
}

func usersList(w *Workspace, c *call) (map[string]any, error) {
	part, metadata := page(c, w.people, pageOfPeople)
	members := make([]map[string]any, 0, len(part))
	for _, p := range part {
		members = append(members, w.personWire(p))
	}
	return map[string]any{"members": members, "cache_ts": time.Now().Unix(), "response_metadata": metadata}, nil
}

func usersLookupByEmail(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("email"); err != nil {
		return nil, err
	}
	for _, p := range w.people {
		if strings.EqualFold(p.Email, c.arg("email")) && !p.Deleted {
			return map[string]any{"user": w.personWire(p)}, nil
		}
	}
	return nil, refuse("users_not_found")
}

func usergroupsList(w *Workspace, c *call) (map[string]any, error) {
	groups := make([]map[string]any, 0, len(w.groups))
	for _, g := range w.groups {
		wire := map[string]any{
			"id": g.ID, "team_id": w.cfg.TeamID, "is_usergroup": true, "is_subteam": true, "name": g.Name, "description": "",
			"handle": g.Handle, "is_external": false, "date_create": g.updated.Unix(), "date_update": g.updated.Unix(),
			"date_delete": 0, "auto_type": nil, "created_by": BotUserID, "updated_by": BotUserID, "deleted_by": nil,
			"prefs": map[string]any{"channels": []string{}, "groups": []string{}},
		}
		if c.flag("include_users") {
			wire["users"] = slices.Clone(g.Users)
		}
		if c.flag("include_count") {
			wire["user_count"] = len(g.Users)
		}
		groups = append(groups, wire)
	}
	return map[string]any{"usergroups": groups}, nil
}

func usergroupsUsersList(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("usergroup"); err != nil {
		return nil, err
	}
	g := w.group(c.arg("usergroup"))
	if g == nil {
		return nil, refuse("no_such_subteam")
	}
	return map[string]any{"users": append([]string{}, g.Users...)}, nil
}
