package atlassian

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// SiteConfig is what NewSite needs beside what it shares with the admin APIs.
type SiteConfig struct {
	Name  string // in the settings
	URL   string // scheme and host, as https://example.atlassian.net
	Email string // of the account that calls
	Token func() string
}

// Site makes calls to one Jira site (Jira Cloud platform, REST v3): with its own key, at its own
// pace. It is safe for use by several goroutines.
type Site struct {
	name string
	jira *caller
}

// For returns the client for the calls of one party, as Client.For does.
func (s *Site) For(party int64) *Site {
	own := *s
	own.jira = s.jira.For(party)
	return &own
}

// NewSite returns a client of a site. It starts nothing and calls nobody. Of the Config it takes what
// all callers share: HTTP, Log, Rand, Workers, Pace, Memory and OnCall.
func NewSite(site SiteConfig, cfg Config) (*Site, error) {
	if site.Name == "" || site.Email == "" || site.Token == nil {
		return nil, errors.New("new site: it needs a name, an address and a token")
	}
	jira, err := newCaller(host{
		base: site.URL, owner: site.Email, memoryName: "atlassian site " + site.Name,
		authorize: func() credential { return basic(site.Email, site.Token()) }, classify: classifySite, limits: siteLimits,
	}, cfg)
	if err != nil {
		return nil, fmt.Errorf("new site %s: %w", site.Name, err)
	}
	return &Site{name: site.Name, jira: jira}, nil
}

// Name returns the site's name in the settings.
func (s *Site) Name() string { return s.name }

// Restore takes over what a Site with the same key knew of limits. It must be called before the first
// call.
func (s *Site) Restore(ctx context.Context) { s.jira.gate.Restore(ctx) }

// Close saves what is known of limits, and closes connections that are not in use.
func (s *Site) Close() { s.jira.close() }

// basic returns the credential of an account with an API token.
func basic(email, token string) credential {
	coded := base64.StdEncoding.EncodeToString([]byte(email + ":" + token))
	return credential{header: "Basic " + coded, secret: token, coded: coded}
}

// siteLimits reads what an answer says of Jira's limits. The windows of X-RateLimit are a second long
// while their reset is written in whole minutes (rate limiting, API tokens: per-second burst), so
// that they would make calls wait for a minute where a second is enough; only a quota, which names
// itself, is waited for until then. Retry-After is obeyed wherever it is.
func siteLimits(h http.Header, now time.Time) pace.Limits {
	told := pace.ReadLimits(h, now)
	out := pace.Limits{Limit: -1, Remaining: -1, RetryAfter: told.RetryAfter}
	if quota := strings.Contains(h.Get("RateLimit-Reason"), "quota"); quota && out.RetryAfter == 0 && told.Reset.After(now) {
		out.RetryAfter = told.Reset.Sub(now)
	}
	return out
}

// classifySite returns what an answer of Jira means that is no success (ErrorCollection). That
// somebody is in a group already and that a licence is full are both 400, told apart by undocumented
// words at most.
func classifySite(call request, status int, body []byte, clean func(string) string) *Error {
	var told struct {
		Messages []string          `json:"errorMessages"`
		Errors   map[string]string `json:"errors"`
	}
	_ = json.Unmarshal(body, &told) // what does not fit stays empty
	words := told.Messages
	for field, problem := range told.Errors {
		words = append(words, field+": "+problem)
	}
	slices.Sort(words)
	e := &Error{Operation: call.operation, Status: status, Message: clean(strings.Join(words, "; "))}
	switch {
	case status == http.StatusUnauthorized:
		e.Kind = KindKeyRefused
	case status == http.StatusForbidden:
		e.Kind = KindForbidden
	case status == http.StatusNotFound:
		e.Kind = KindNotFound
	case status == http.StatusTooManyRequests:
		e.Kind = KindThrottled
	case status == http.StatusBadRequest && call.operation == opSiteGroupAdd:
		e.Kind = KindMemberOrFull
	default:
		e.Kind = kindOfStatus(call, status)
	}
	return e
}

const jiraBase = "/rest/api/3/"

// SiteUser is a user of a site (schema User).
type SiteUser struct {
	ID     string `json:"accountId"`
	Type   string `json:"accountType"`
	Name   string `json:"displayName"`
	Email  string `json:"emailAddress"` // "" where privacy hides it
	Active bool   `json:"active"`
}

// SiteGroup is a group of a site (schemas GroupName, GroupDetails).
type SiteGroup struct {
	ID   string `json:"groupId"`
	Name string `json:"name"`
}

// one is an answer that must hold something, and listOf one that is a bare list.
type one[T any] struct {
	value T
	lack  func(T) string
}

func (o *one[T]) UnmarshalJSON(raw []byte) error { return json.Unmarshal(raw, &o.value) }
func (o *one[T]) missing() string                { return o.lack(o.value) }

type listOf[T any] struct {
	values []T
	lack   func(T) string
}

func (l *listOf[T]) UnmarshalJSON(raw []byte) error { return json.Unmarshal(raw, &l.values) }

func (l *listOf[T]) missing() string {
	if l.values == nil {
		return "there is no list in it"
	}
	for _, each := range l.values {
		if what := l.lack(each); what != "" {
			return what
		}
	}
	return ""
}

// shownUser is a user as the site shows them. One who is not said to be active or not could pass for
// taken off the site.
type shownUser struct {
	SiteUser
	Active *bool `json:"active"`
}

func (u shownUser) user() SiteUser {
	user := u.SiteUser
	user.Active = u.Active != nil && *u.Active
	return user
}

func usersOf(shown []shownUser) []SiteUser {
	users := make([]SiteUser, len(shown))
	for i, u := range shown {
		users[i] = u.user()
	}
	return users
}

func noUser(u shownUser) string {
	if what := lacks("accountId", u.ID); what != "" || u.Active != nil {
		return what
	}
	return "there is no active"
}

func noGroup(g SiteGroup) string { return cmp.Or(lacks("groupId", g.ID), lacks("name", g.Name)) }

// get reads one thing of the site.
func get[T any, A interface {
	*T
	answered
}](ctx context.Context, s *Site, operation, path string, query url.Values, account string, budget time.Duration, into A) error {
	call := request{operation: operation, method: http.MethodGet, path: jiraBase + path, query: query, account: account}
	return read(ctx, s.jira, call, budget, into)
}

func byAccount(id string) url.Values { return url.Values{"accountId": {id}} }

// User reads a user of the site, active or not (GET user). KindNotFound: there is no such user here;
// KindForbidden and KindKeyRefused say nothing of that.
func (s *Site) User(ctx context.Context, id string) (SiteUser, error) {
	answer := one[shownUser]{lack: func(u shownUser) string {
		if u.ID != "" && u.ID != id {
			return "it is about another account"
		}
		return noUser(u)
	}}
	if !accountID.MatchString(id) {
		return SiteUser{}, badID(opSiteUser)
	}
	err := get(ctx, s, opSiteUser, "user", byAccount(id), id, checkBudget, &answer)
	return answer.value.user(), err
}

// GroupsOf lists the groups of a user (GET user/groups).
func (s *Site) GroupsOf(ctx context.Context, id string) ([]SiteGroup, error) {
	answer := listOf[SiteGroup]{lack: noGroup}
	if !accountID.MatchString(id) {
		return nil, badID(opSiteUserGroups)
	}
	err := get(ctx, s, opSiteUserGroups, "user/groups", byAccount(id), id, checkBudget, &answer)
	return answer.values, err
}

// sitePage is a page of the site's own form (schema PageBean).
type sitePage struct {
	Last   *bool       `json:"isLast"`
	Total  *int        `json:"total"` // of the whole list
	Values []SiteGroup `json:"values"`
}

func (p *sitePage) missing() string {
	if p.Last == nil || p.Values == nil {
		return "there is no page in it"
	}
	if !*p.Last && len(p.Values) == 0 {
		return "there is nothing on a page before the last"
	}
	for _, g := range p.Values {
		if what := noGroup(g); what != "" {
			return what
		}
	}
	return ""
}

// Groups finds groups by names or ids, exactly as they are written (GET group/bulk).
func (s *Site) Groups(ctx context.Context, names, ids []string) ([]SiteGroup, error) {
	var all []SiteGroup
	for range MaxEmptyPages { // a site has fewer pages of groups that are named one by one
		var page sitePage
		query := url.Values{"groupName": names, "groupId": ids, "startAt": {strconv.Itoa(len(all))}, "maxResults": {"50"}}
		if err := get(ctx, s, opSiteGroups, "group/bulk", query, "", readBudget, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Values...)
		if !*page.Last {
			continue
		}
		if page.Total != nil && *page.Total > len(all) {
			return nil, &Error{
				Operation: opSiteGroups, Kind: KindIncomplete, details: fmt.Sprintf("%d of %d groups came", len(all), *page.Total),
			}
		}
		return all, nil
	}
	return nil, &Error{Operation: opSiteGroups, Kind: KindEndless}
}

// Migrated is whose legacy name or key it is (schema UserMigrationBean).
type Migrated struct {
	Username string `json:"username"`
	Key      string `json:"key"`
	ID       string `json:"accountId"`
}

// MaxLegacy is how many legacy names and keys one call takes here; the document names no bound of
// their number, an address has one.
const MaxLegacy = 50

// Legacy resolves legacy usernames and user keys, up to MaxLegacy together (GET
// user/bulk/migration). Those that nobody has are left out.
func (s *Site) Legacy(ctx context.Context, usernames, keys []string) ([]Migrated, error) {
	answer := listOf[Migrated]{lack: func(m Migrated) string {
		if m.Username == "" && m.Key == "" {
			return "there is neither a username nor a key"
		}
		return lacks("accountId", m.ID)
	}}
	query := url.Values{"username": usernames, "key": keys, "maxResults": {strconv.Itoa(MaxLegacy)}}
	err := get(ctx, s, opSiteLegacy, "user/bulk/migration", query, "", readBudget, &answer)
	return answer.values, err
}

// Find finds active users of whose name or address a word begins with the text (GET user/search).
// Nobody is what comes back, too, where the calling account may not browse users; see Browses.
func (s *Site) Find(ctx context.Context, text string, limit int) ([]SiteUser, error) {
	answer := listOf[shownUser]{lack: noUser}
	query := url.Values{"query": {text}, "maxResults": {strconv.Itoa(limit)}}
	err := get(ctx, s, opSiteFind, "user/search", query, "", readBudget, &answer)
	return usersOf(answer.values), err
}

// usersAtOnce is how many users of a site one call asks for: Jira gives up on a page that takes it over
// ten seconds (GET users/search: 409).
const usersAtOnce = 200

// Users lists every user of the site, also those who are not active, deleted ones and apps (GET
// users/search). One who is listed twice comes twice. A page may be short before the end, as Jira
// takes out whom the calling account may not see: the end is an empty page. The sequence ends with an
// error or is complete.
func (s *Site) Users(ctx context.Context) iter.Seq2[SiteUser, error] {
	return func(yield func(SiteUser, error) bool) {
		bounded, end := s.jira.bound(ctx, opSiteUsers, ListTimeout)
		for at := 0; ; {
			users, err := s.usersFrom(bounded, at)
			if err != nil {
				yield(SiteUser{}, end(err))
				return
			}
			for _, u := range users {
				if !yield(u, nil) {
					_ = end(nil)
					return
				}
			}
			if len(users) == 0 {
				_ = end(nil)
				return
			}
			at += len(users)
		}
	}
}

// usersFrom reads one page of all users.
func (s *Site) usersFrom(ctx context.Context, at int) ([]SiteUser, error) {
	answer := listOf[shownUser]{lack: noUser}
	query := url.Values{"startAt": {strconv.Itoa(at)}, "maxResults": {strconv.Itoa(usersAtOnce)}}
	err := get(ctx, s, opSiteUsers, "users/search", query, "", readBudget, &answer)
	return usersOf(answer.values), err
}

// Browses returns nil where the calling account may browse users: GET users/search says 403 where it
// may not, instead of showing nobody.
func (s *Site) Browses(ctx context.Context) error {
	answer := listOf[shownUser]{lack: noUser}
	return get(ctx, s, opSiteUsers, "users/search", url.Values{"maxResults": {"1"}}, "", readBudget, &answer)
}

// Check returns the name of the account that calls. KindKeyRefused: the site does not take its key;
// KindForbidden: it may not browse users.
func (s *Site) Check(ctx context.Context) (name string, err error) {
	answer := one[shownUser]{lack: noUser}
	if err := get(ctx, s, opSiteMyself, "myself", nil, "", readBudget, &answer); err != nil {
		return "", err
	}
	return answer.value.Name, s.Browses(ctx)
}

// siteColumn is a column of the issue navigator (schema ColumnItem).
type siteColumn struct {
	Value string `json:"value"`
}

func columnValues(columns []siteColumn) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Value
	}
	return out
}

// Columns reads the columns that a user has, and those of the site (GET user/columns,
// settings/columns).
func (s *Site) Columns(ctx context.Context, id string) (of, site []string, err error) {
	if !accountID.MatchString(id) {
		return nil, nil, badID(opSiteColumns)
	}
	some := func(c siteColumn) string { return lacks("value", c.Value) }
	mine, all := listOf[siteColumn]{lack: some}, listOf[siteColumn]{lack: some}
	if err := get(ctx, s, opSiteColumns, "user/columns", byAccount(id), id, checkBudget, &mine); err != nil {
		return nil, nil, err
	}
	err = get(ctx, s, opSiteDefaults, "settings/columns", nil, "", checkBudget, &all)
	return columnValues(mine.values), columnValues(all.values), err
}

// change makes a call that changes something about a user.
func (s *Site) change(ctx context.Context, operation, method, path string, query url.Values, id string, body any) (answer, error) {
	if id != "" && !accountID.MatchString(id) {
		return answer{}, badID(operation)
	}
	return s.jira.writeAnswered(ctx, request{
		operation: operation, method: method, path: jiraBase + path, query: query, account: id, body: body,
	})
}

// AddToGroup puts a user into a group (POST group/user; success is 201). KindMemberOrFull: they are in
// it already, or a licence has no seat left, or another 400.
func (s *Site) AddToGroup(ctx context.Context, group, id string) error {
	body := struct {
		AccountID string `json:"accountId"`
	}{id}
	_, err := s.change(ctx, opSiteGroupAdd, http.MethodPost, "group/user", url.Values{"groupId": {group}}, id, body)
	return err
}

// RemoveFromGroup takes a user out of a group (DELETE group/user; success is 200).
func (s *Site) RemoveFromGroup(ctx context.Context, group, id string) error {
	query := url.Values{"groupId": {group}, "accountId": {id}}
	_, err := s.change(ctx, opSiteGroupRemove, http.MethodDelete, "group/user", query, id, nil)
	return err
}

// Create makes a user of the site, whom Jira mails an invitation, and returns the account's id, ""
// where the answer was a yes and does not tell it (POST user; success is 201, also for somebody who
// is a user already).
func (s *Site) Create(ctx context.Context, email string, products []string) (string, error) {
	body := struct {
		Email    string   `json:"emailAddress"`
		Products []string `json:"products"`
	}{email, append([]string{}, products...)}
	told, err := s.change(ctx, opSiteCreate, http.MethodPost, "user", nil, "", body)
	var user SiteUser
	if err == nil {
		_ = json.Unmarshal(told.body, &user) // the status says yes; without an id it is looked for by address
	}
	return user.ID, err
}

// Delete takes a user off the site; the account stays (DELETE user; success is 204).
func (s *Site) Delete(ctx context.Context, id string) error {
	_, err := s.change(ctx, opSiteDelete, http.MethodDelete, "user", byAccount(id), id, nil)
	return err
}

// ResetColumns gives a user the site's columns again (DELETE user/columns; success is 204). An unknown
// user is KindForbidden.
func (s *Site) ResetColumns(ctx context.Context, id string) error {
	_, err := s.change(ctx, opSiteColumnsReset, http.MethodDelete, "user/columns", byAccount(id), id, nil)
	return err
}
