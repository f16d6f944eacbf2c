package settings

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that time zones are known in an image that has none

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// day is the unit that Go's durations lack: 24 hours.
const day = 24 * time.Hour

// value is one scalar of the file with ${NAME} filled in.
type value struct {
	text  string
	plain bool // written without quotes, so that it may be a number or a yes
	tag   reflect.StructTag
	dir   string // where relative paths start
}

// shown stands in a refusal for the value as an error may repeat it.
const shown = "\x00"

// refusal is what is wrong with a value, and what to do about it.
type refusal struct{ what, remedy string }

func (r *refusal) Error() string { return r.what }

func refuse(what, remedy string) error { return &refusal{what, remedy} }

// parsers make the values of settings, by their type. Each returns nil for an empty text that leaves what is there, or a
// *refusal.
var parsers = map[reflect.Type]func(value) (any, error){
	reflect.TypeFor[bool]():                parseBool,
	reflect.TypeFor[int]():                 parseInt,
	reflect.TypeFor[time.Duration]():       parseDuration,
	reflect.TypeFor[string]():              unlessEmpty(parseText),
	reflect.TypeFor[time.Time]():           unlessEmpty(parseDate),
	reflect.TypeFor[*time.Location]():      unlessEmpty(parseZone),
	reflect.TypeFor[time.Weekday]():        unlessEmpty(parseWeekday),
	reflect.TypeFor[policy.Clock]():        unlessEmpty(parseClock),
	reflect.TypeFor[workflow.ActionName](): unlessEmpty(parseAction),
	reflect.TypeFor[report.Money]():        unlessEmpty(parseMoney),
}

func unlessEmpty(parse func(value) (any, error)) func(value) (any, error) {
	return func(v value) (any, error) {
		if v.text == "" {
			return nil, nil //nolint:nilnil // what parsers promises
		}
		return parse(v)
	}
}

// form is how a text must look, and the words for it.
type form struct {
	pattern *regexp.Regexp
	words   string
}

// forms are the ids and names, by the tag is.
var forms = map[string]form{
	"person":    {regexp.MustCompile(`^[UWS][A-Z0-9]{2,}$`), "the id of a Slack user (U…, W…) or user group (S…)"},
	"user":      {regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`), "the id of a Slack user (U… or W…)"},
	"currency":  {regexp.MustCompile(`^[A-Z]{3}$`), "a currency of three capital letters, as EUR"},
	"usergroup": {regexp.MustCompile(`^S[A-Z0-9]{2,}$`), "the id of a Slack user group (S…)"},
	"channel":   {regexp.MustCompile(`^[CG][A-Z0-9]{2,}$`), "the id of a Slack channel (C… or G…), not its name"},
	"org":       {regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`), "an id of letters, digits and hyphens"},
	"scim":      {regexp.MustCompile(`^[a-z0-9-]{1,40}$`), "1 to 40 of a–z, 0–9 and hyphen"},
	"site":      {regexp.MustCompile(`^[a-z0-9-]{1,40}$`), "1 to 40 of a–z, 0–9 and hyphen"},
	"address":   {regexp.MustCompile(`^[^@\s:]+@[^@\s:]+$`), "an email address"},
	"directory": {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`), "the id of one directory; doctor lists them"},
	"product":   {regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`), "the key of a product, as jira-software"},
	"report":    {regexp.MustCompile(`^[a-z0-9-]{1,40}$`), "1 to 40 of a–z, 0–9 and hyphen"},
	// Slack allows 2 to 32 characters (apps manifest reference, slash_commands.command).
	"command": {regexp.MustCompile(`^/[a-z0-9_-]{1,31}$`), "a slash and 1 to 31 of a–z, 0–9, hyphen and underscore"},
}

// texts are the texts that are more than a form, by the tag is.
var texts = map[string]func(value) (any, error){
	"url": parseURL, "listen": parseListen, "path": parsePath, "cron": parseCron,
	"guard": parseGuard, "scope": parseScope, "group": parseGroupName, "account": parseAccount,
}

func parseText(v value) (any, error) {
	is := v.tag.Get("is")
	if parse, ok := texts[is]; ok {
		return parse(v)
	}
	if f, ok := forms[is]; ok && !f.pattern.MatchString(v.text) {
		return nil, refuse(`"`+shown+`" is not `+f.words, "")
	}
	if choice, ok := v.tag.Lookup("choice"); ok && !slices.Contains(strings.Split(choice, ","), v.text) {
		return nil, refuse(`"`+shown+`" is not known`, "choose one of "+strings.ReplaceAll(choice, ",", ", "))
	}
	return v.text, nil
}

func parseBool(v value) (any, error) {
	if !v.plain || v.text != "true" && v.text != "false" {
		return nil, refuse(`"`+shown+`" is neither true nor false`, "write true or false without quotes")
	}
	return v.text == "true", nil
}

func parseInt(v value) (any, error) {
	if !v.plain {
		return nil, refuse(`"`+shown+`" is a text`, "write the number without quotes")
	}
	least, most, _ := strings.Cut(v.tag.Get("range"), "-")
	from, fromErr := strconv.Atoi(least)
	to, toErr := strconv.Atoi(most)
	if n, err := strconv.Atoi(v.text); err == nil && fromErr == nil && toErr == nil && n >= from && n <= to {
		return n, nil
	}
	return nil, refuse(fmt.Sprintf("%s is not a whole number from %s to %s", shown, least, most), "")
}

// days matches the part of a duration that Go's own do not have.
var days = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)

// parseDuration reads a Go duration of a second at least, which may begin with days: 90d, 1d12h.
func parseDuration(v value) (any, error) {
	const remedy = "write it as 90d, 12h, 30m or 1h30m, from 1s"
	d, ok := durationOf(v.text)
	switch {
	case !ok:
		return nil, refuse(`"`+shown+`" is not a duration`, remedy)
	case d < time.Second:
		return nil, refuse(`"`+shown+`" is under a second`, remedy)
	}
	return d, nil
}

func durationOf(text string) (d time.Duration, ok bool) {
	var whole time.Duration
	if parts := days.FindStringSubmatch(text); parts != nil {
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return 0, false
		}
		whole = time.Duration(n) * day
		if text = parts[2]; text == "" {
			return whole, true
		}
	}
	rest, err := time.ParseDuration(text)
	return whole + rest, err == nil && rest >= 0 && whole+rest >= 0
}

func parseMoney(v value) (any, error) {
	amount, err := report.ParseMoney(v.text)
	if err != nil {
		return nil, refuse(`"`+shown+`" is not an amount`, "write it with a point and at most two decimals, as 8.15")
	}
	return amount, nil
}

func parseDate(v value) (any, error) {
	date, err := time.Parse(time.DateOnly, v.text)
	if err != nil {
		return nil, refuse(`"`+shown+`" is not a day`, "write it as 2027-03-01")
	}
	return date, nil
}

func parseZone(v value) (any, error) {
	zone, err := time.LoadLocation(v.text)
	if err != nil || v.text == "Local" { // Local is another zone on another machine
		return nil, refuse(`"`+shown+`" is not a time zone`, "write it as Europe/Berlin or UTC")
	}
	return zone, nil
}

// parseURL reads an address to which tokens go. The result has no slash at its end. No part of it is repeated in an error, for
// it may hold a password.
func parseURL(v value) (any, error) {
	u, err := url.Parse(v.text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, refuse("is not an address", "write it as https://host/path")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, refuse("has more than a host and a path", "leave out user, password, ? and #")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, refuse("http:// would send the token in clear", "use https://; http:// is for localhost, 127.0.0.1 and [::1] alone")
	}
	return strings.TrimRight(v.text, "/"), nil
}

// ParseURL takes a text for an address to which tokens go as the settings would. No part of it is in the error.
func ParseURL(text string) (string, error) {
	address, err := parseURL(value{text: text})
	if no, ok := errors.AsType[*refusal](err); ok {
		return "", errors.New(no.what + "; " + no.remedy)
	}
	out, _ := address.(string)
	return out, err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func parseListen(v value) (any, error) {
	_, port, err := net.SplitHostPort(v.text)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || n == 0 {
		return nil, refuse(`"`+shown+`" is not an address to listen on`, "write it as 127.0.0.1:8090")
	}
	return v.text, nil
}

// parsePath has a relative path start at the settings file.
func parsePath(v value) (any, error) {
	scheme, _, _ := strings.Cut(strings.ToLower(v.text), ":")
	switch {
	case strings.Contains(v.text, ":memory:"), scheme == "file" && len(v.text) > len(scheme):
		return nil, refuse(`"`+shown+`" is not the path of a file`, "give one; what is kept in memory is gone at the next start")
	case strings.Contains(v.text, "://"):
		return nil, refuse("is an address, not the path of a file", "give the path alone")
	case strings.HasPrefix(v.text, "~"):
		return nil, refuse(`"`+shown+`" begins with a home directory, which nobody puts in here`, "write the whole path")
	case strings.HasPrefix(v.text, "$"), strings.HasPrefix(v.text, "%"):
		return nil, refuse(`"`+shown+`" begins with a variable, which nobody puts in here`, "write the whole path, or a variable as ${NAME}")
	case v.text != "" && strings.TrimSpace(v.text) != v.text:
		return nil, refuse(`"`+shown+`" has spaces around it`, "write the path without them")
	case strings.HasSuffix(v.text, "/"):
		return nil, refuse(`"`+shown+`" is the path of a directory`, "write the path of a file in it")
	}
	return resolve(v.dir, v.text), nil
}

func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
