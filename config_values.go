package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that time zones are known in an image that has none

	"github.com/robfig/cron/v3"
)

// day is the unit that Go's durations lack: 24 hours.
const day = 24 * time.Hour

// form is how a text must look, and the words for it.
type form struct {
	pattern *regexp.Regexp
	words   string
}

func (v value) match(f form) bool {
	if f.pattern.MatchString(v.text) {
		return true
	}
	v.problem(fmt.Sprintf("%q is not %s", v.shown, f.words), "")
	return false
}

func (s section) text(key string, to *string) {
	if v, ok := s.scalar(key); ok {
		*to = v.text
	}
}

// matched reads a text of the form, or an empty one, which leaves what is there.
func (s section) matched(key string, to *string, f form) {
	if v, ok := s.scalar(key); ok && v.text != "" && v.match(f) {
		*to = v.text
	}
}

func (s section) choice(key string, to *string, words ...string) {
	v, ok := s.scalar(key)
	if !ok || v.text == "" {
		return
	}
	if !slices.Contains(words, v.text) {
		v.problem(fmt.Sprintf("%q is not known", v.shown), "choose one of "+strings.Join(words, ", "))
		return
	}
	*to = v.text
}

func (s section) bool(key string, to *bool) {
	var given *bool
	if s.optionalBool(key, &given); given != nil {
		*to = *given
	}
}

func (s section) optionalBool(key string, to **bool) {
	v, ok := s.scalar(key)
	if !ok {
		return
	}
	yes := v.text == "true"
	if !v.plain || !yes && v.text != "false" {
		v.problem(fmt.Sprintf("%q is neither true nor false", v.shown), "write true or false without quotes")
		return
	}
	*to = &yes
}

func (s section) number(key string, to *int, least, most int) {
	v, ok := s.scalar(key)
	if !ok {
		return
	}
	n, err := strconv.Atoi(v.text)
	switch {
	case !v.plain:
		v.problem(fmt.Sprintf("%q is a text", v.shown), "write the number without quotes")
	case err != nil || n < least || n > most:
		v.problem(fmt.Sprintf("%s is not a whole number from %d to %d", v.shown, least, most), "")
	default:
		*to = n
	}
}

// days matches the part of a duration that Go's own do not have.
var days = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)

func (s section) duration(key string, to *time.Duration) {
	v, ok := s.scalar(key)
	if !ok {
		return
	}
	const remedy = "write it as 90d, 12h, 30m or 1h30m, from 1s"
	d, err := parseDuration(v.text)
	switch {
	case err != nil:
		v.problem(fmt.Sprintf("%q is not a duration", v.shown), remedy)
	case d < time.Second:
		v.problem(fmt.Sprintf("%q is under a second", v.shown), remedy)
	default:
		*to = d
	}
}

// parseDuration reads a Go duration, which may begin with days: 90d, 1d12h.
func parseDuration(text string) (time.Duration, error) {
	var whole time.Duration
	if parts := days.FindStringSubmatch(text); parts != nil {
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return 0, err
		}
		whole = time.Duration(n) * day
		if text = parts[2]; text == "" {
			return whole, nil
		}
	}
	rest, err := time.ParseDuration(text)
	if err == nil && (rest < 0 || whole+rest < 0) {
		err = fmt.Errorf("parse duration %q: out of range", text)
	}
	return whole + rest, err
}

func (s section) date(key string, to *time.Time) {
	v, ok := s.scalar(key)
	if !ok || v.text == "" {
		return
	}
	date, err := time.Parse(time.DateOnly, v.text)
	if err != nil {
		v.problem(fmt.Sprintf("%q is not a day", v.shown), "write it as 2027-03-01")
		return
	}
	*to = date
}

// url reads the base address of an API. The value is never repeated, as it may hold a password.
func (s section) url(key string, to *string) {
	v, ok := s.scalar(key)
	if !ok || v.text == "" {
		return
	}
	u, err := url.Parse(v.text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.problem("is not an address", "write it as https://host/path")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.problem("has more than a host and a path", "leave out user, password, ? and #")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		v.problem("http:// would send the token in clear", "use https://; http:// is for localhost, 127.0.0.1 and [::1] alone")
	default:
		*to = v.text
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s section) listen(key string, to *string) {
	v, ok := s.scalar(key)
	if !ok || v.text == "" {
		return
	}
	_, port, err := net.SplitHostPort(v.text)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || n == 0 {
		v.problem(fmt.Sprintf("%q is not an address to listen on", v.shown), "write it as 127.0.0.1:8090")
		return
	}
	*to = v.text
}

func (s section) path(key string, to *string) {
	if v, ok := s.scalar(key); ok && v.text != "" {
		*to = v.text
	}
	*to = s.resolve(*to)
}

// resolve has a relative path start at the settings file.
func (r *reader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// ids reads a list of ids.
func (s section) ids(key string, to *[]string, f form) {
	s.texts(key, func(v value) {
		if v.match(f) {
			*to = append(*to, v.text)
		}
	})
}

// texts reads a list of single values; empty ones are reported.
func (s section) texts(key string, read func(value)) {
	for _, node := range s.elements(key) {
		v, ok := s.scalarAt(key, node, node.Line)
		switch {
		case !ok:
		case v.text == "":
			v.problem("an entry is empty", "remove it")
		default:
			read(v)
		}
	}
}

// accounts reads a section from Slack users to Atlassian account ids.
func (s section) accounts(key string, to *map[string]string) {
	s.section(key, func(s section) {
		if s.node == nil {
			return
		}
		*to = make(map[string]string)
		for i := 0; i+1 < len(s.node.Content); i += 2 {
			person := s.node.Content[i].Value
			s.asked[person] = true
			v, ok := s.scalar(person)
			switch {
			case !userID.pattern.MatchString(person):
				s.problem(show(person), "is not "+userID.words, "write it as U0BOB: account id")
			case ok && v.text == "":
				v.problem("has no account id", "give one, or remove the line")
			case ok && v.match(accountID):
				(*to)[person] = v.text
			}
		}
	})
}

func (s section) timezone(key string, to **time.Location) {
	v, ok := s.scalar(key)
	if !ok || v.text == "" {
		return
	}
	zone, err := time.LoadLocation(v.text)
	if err != nil || v.text == "Local" { // Local is another zone on another machine
		v.problem(fmt.Sprintf("%q is not a time zone", v.shown), "write it as Europe/Berlin or UTC")
		return
	}
	*to = zone
}

// schedule reads a cron line of five fields, or @daily and its kind.
func (s section) schedule(key string, to *string) {
	v, ok := s.scalar(key)
	if !ok || v.text == "" {
		return
	}
	// The zone is a setting of its own, and robfig/cron v3.0.1 panics on TZ= without fields (robfig/cron#554).
	if strings.HasPrefix(v.text, "TZ=") || strings.HasPrefix(v.text, "CRON_TZ=") {
		v.problem("has a time zone in it", "move it to timezone:")
		return
	}
	const remedy = `write five fields, minute hour day month weekday, as "0 2 * * *"`
	parsed, err := cron.ParseStandard(v.text)
	spec, isSpec := parsed.(*cron.SpecSchedule)
	switch {
	case err != nil:
		v.problem(fmt.Sprintf("%q is not a cron line", v.shown), remedy)
	case !isSpec: // @every counts from the start of the program, so nothing could be made up after a restart
		v.problem(fmt.Sprintf("%q has no times of day", v.shown), remedy)
	case spec.Next(time.Now()).IsZero():
		v.problem(fmt.Sprintf("%q never comes", v.shown), remedy)
	default:
		*to = v.text
	}
}

// longestSecret bounds a secret's file: what is longer is no token, and perhaps no file that ends.
const longestSecret = 64 << 10

// secret reads a token from key or from the file that key_file names. Only a command that needs it does so: for the others
// it may be missing in any way, its variable not set or its file not there.
func (s section) secret(key string, to *Secret, prefix string, need Need) {
	byFile := key + "_file"
	direct, file := s.filled(key), s.filled(byFile)
	if direct && file {
		s.problem(byFile, "is given together with "+key, "keep one of the two")
		return
	}
	if !s.needs(need) {
		return
	}
	if !direct && !file {
		env := strings.ToUpper(strings.ReplaceAll(s.full(key), ".", "_"))
		s.required(key, need, fmt.Sprintf("set it to ${%s} and export that, or give %s: path", env, byFile))
		return
	}
	from := key
	if file {
		from = byFile
	}
	v, ok := s.scalar(from)
	if ok && file {
		v.text, ok = v.secretFile()
	}
	switch {
	case !ok:
	case strings.ContainsFunc(v.text, func(letter rune) bool { return letter <= ' ' || letter > '~' }):
		v.problem("has a space, a line break or another letter that no token has", "copy it again")
	case !strings.HasPrefix(v.text, prefix):
		v.problem("does not begin with "+prefix, "Slack shows tokens of several kinds; take the one that does")
	default:
		*to = newSecret(v.text)
	}
}

func (v value) secretFile() (text string, ok bool) {
	file, err := os.Open(v.resolve(v.text))
	if err != nil {
		v.problem("cannot be read: "+reason(err), "give the path of a file with the token alone")
		return "", false
	}
	defer func() { _ = file.Close() }()
	bytes, err := io.ReadAll(io.LimitReader(file, longestSecret))
	if err != nil {
		v.problem("cannot be read: "+reason(err), "give the path of a file with the token alone")
		return "", false
	}
	if text = strings.TrimRight(string(bytes), "\r\n"); text == "" {
		v.problem("names an empty file", "put the token in it")
		return "", false
	}
	return text, true
}
