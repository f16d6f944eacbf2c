package command

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Times are the words behind at, until and for, as somebody wrote them; "" for what they left out.
type Times struct {
	At, Until, For string
	// Twice is the word that is there more than once; "" for none.
	Twice string
}

// The words that a time stands behind.
const (
	wordAt    = "at"
	wordUntil = "until"
	wordFor   = "for"
)

func timeWords() []string { return []string{wordAt, wordUntil, wordFor} }

// How times are written.
const (
	momentForm = "2026-12-01 18:00, 18:00, monday 18:00 or tomorrow 9:00"
	spanForm   = "90m, 8h or 3d"
)

// put takes what stands behind one of the words.
func (t *Times) put(word, value string) {
	to := map[string]*string{wordAt: &t.At, wordUntil: &t.Until, wordFor: &t.For}[word]
	if *to != "" {
		t.Twice = word
		return
	}
	*to = value
	if value == "" {
		*to = " " // it is there, and says no time
	}
}

// Any reports whether there is any.
func (t Times) Any() bool { return t != Times{} }

// When are the moments that the words mean for somebody in that zone: 18:00 and monday 18:00 are the
// next ones. An hour that summer time skips is the first moment after it, one that comes twice the
// first of the two. Errors are *workflow.WhenError: what is no time, and what workflow.When.Check
// refuses.
func (t Times) When(now time.Time, zone *time.Location) (workflow.When, error) {
	if !t.Any() {
		return workflow.When{}, nil
	}
	if t.Twice != "" {
		return workflow.When{}, &workflow.WhenError{Problem: fmt.Sprintf("%s is there twice; a batch has at most one", t.Twice)}
	}
	w := workflow.When{Zone: zone.String()}
	for _, each := range []struct {
		word, text string
		to         *time.Time
	}{{wordAt, t.At, &w.At}, {wordUntil, t.Until, &w.Until}} {
		if each.text == "" {
			continue
		}
		moment, ok := parseMoment(each.text, now.In(zone))
		if !ok {
			return workflow.When{}, noTime(each.word, each.text, momentForm)
		}
		*each.to = moment.UTC()
	}
	if t.For != "" {
		span, ok := parseSpan(t.For)
		if !ok {
			return workflow.When{}, noTime(wordFor, t.For, spanForm)
		}
		w.For = span
	}
	return w, w.Check(now)
}

func noTime(word, text, form string) error {
	if text = strings.TrimSpace(text); text == "" {
		return &workflow.WhenError{Problem: fmt.Sprintf("%s needs a time after it; write it like %s", word, form)}
	}
	return &workflow.WhenError{Problem: fmt.Sprintf("%s is not a time; write it like %s", workflow.QuoteCell(text), form)}
}

// clock is a time of day at the end of a text.
var clock = regexp.MustCompile(`^(?:(.*)\s)?([0-9]{1,2}):([0-9]{2})$`)

// parseMoment reads a moment; now is in the zone that it is meant in.
func parseMoment(text string, now time.Time) (time.Time, bool) {
	parts := clock.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return time.Time{}, false
	}
	hour, _ := strconv.Atoi(parts[2]) // two digits at most
	minute, _ := strconv.Atoi(parts[3])
	if hour > 23 || minute > 59 {
		return time.Time{}, false
	}
	on := func(day time.Time) time.Time { return onTheWall(day, hour, minute, now.Location()) }
	switch day := strings.ToLower(strings.TrimSpace(parts[1])); {
	case day == "":
		return nextThat(now, on, func(time.Time) bool { return true })
	case day == "today":
		return on(now), true
	case day == "tomorrow":
		return on(now.AddDate(0, 0, 1)), true
	case weekdayNamed(day) >= 0:
		return nextThat(now, on, func(t time.Time) bool { return t.Weekday() == weekdayNamed(day) })
	default:
		date, err := time.Parse(time.DateOnly, day)
		return on(date), err == nil
	}
}

// nextThat is the next moment of a day that fits.
func nextThat(now time.Time, on func(day time.Time) time.Time, fits func(time.Time) bool) (time.Time, bool) {
	const week = 7
	noon := time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, time.UTC) // a calendar day, whatever the zone does
	for n := range week + 2 {
		day := noon.AddDate(0, 0, n)
		if moment := on(day); fits(day) && moment.After(now) {
			return moment, true
		}
	}
	return time.Time{}, false
}

// weekdayNamed is the weekday of that name or its first three letters; -1 for none.
func weekdayNamed(word string) time.Weekday {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := strings.ToLower(d.String()); word == name || word == name[:3] {
			return d
		}
	}
	return -1
}

// onTheWall is the moment at which clocks of the zone first show that hour of the day. time.Date
// leaves open which one it gives where clocks are put on or back.
func onTheWall(day time.Time, hour, minute int, zone *time.Location) time.Time {
	utc := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, time.UTC)
	const near = 24 * time.Hour // clocks are put on or back once in two days at most
	var first time.Time
	for _, at := range []time.Time{utc.Add(-near), utc.Add(near)} {
		_, offset := at.In(zone).Zone()
		moment := utc.Add(-time.Duration(offset) * time.Second).In(zone)
		shows := moment.Hour() == hour && moment.Minute() == minute && moment.Day() == utc.Day()
		if shows && (first.IsZero() || moment.Before(first)) {
			first = moment
		}
	}
	if !first.IsZero() {
		return first
	}
	_, before := utc.Add(-near).In(zone).Zone()
	after, _ := utc.Add(-time.Duration(before) * time.Second).In(zone).ZoneBounds()
	return after
}

// span is how long something lasts.
var span = regexp.MustCompile(`^([0-9]{1,7})\s?([smhd])$`)

func parseSpan(text string) (time.Duration, bool) {
	parts := span.FindStringSubmatch(strings.ToLower(strings.TrimSpace(text)))
	if parts == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(parts[1]) // seven digits at most
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[parts[2]]
	return time.Duration(n) * unit, n > 0
}

// times takes the times off the end of a command's words: what stands behind the first at, until or
// for. The first word is none where a group or a site may stand, which may be called so.
func (p *commandParser) times() error {
	isTime := func(w commandWord) bool { return !w.quoted && slices.Contains(timeWords(), strings.ToLower(w.raw)) }
	first := slices.IndexFunc(p.words, isTime)
	if it, built := action.For(p.out.Action); first == 0 && built && len(it.Arguments(action.Before)) > 0 {
		first = slices.IndexFunc(p.words[1:], isTime) + 1
		if first == 0 {
			first = -1
		}
	}
	if first < 0 {
		return nil
	}
	tail := p.words[first:]
	p.words = p.words[:first]
	for i := 0; i < len(tail); {
		word := strings.ToLower(tail[i].raw)
		var value []string
		for i++; i < len(tail) && !isTime(tail[i]); i++ {
			value = append(value, plainText(tail[i].raw))
		}
		if word == wordFor && len(value) > 0 && workflow.AddressProblem(value[0]) == "" { // "restore access for a@x"
			return p.refuse("%s comes after for, which takes only a time", workflow.QuoteCell(value[0]))
		}
		p.out.Times.put(word, strings.Join(value, " "))
	}
	if err := p.out.Times.form(); err != nil {
		return p.refuse("%s", err)
	}
	if ends := p.out.Times.Until + p.out.Times.For; ends != "" && !action.HasInverse(p.out.Action) {
		return p.refuse("%s cannot be taken back, so it takes neither until nor for", p.help.Name)
	}
	return nil
}

// form returns what is wrong with the times whatever the moment is, nil where nothing is.
func (t Times) form() error {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if t.Twice != "" {
		_, err := t.When(now, time.UTC)
		return err
	}
	for _, each := range []struct{ word, text string }{{wordAt, t.At}, {wordUntil, t.Until}} {
		if _, ok := parseMoment(each.text, now); each.text != "" && !ok {
			return noTime(each.word, each.text, momentForm)
		}
	}
	if _, ok := parseSpan(t.For); t.For != "" && !ok {
		return noTime(wordFor, t.For, spanForm)
	}
	if t.Until != "" && t.For != "" {
		return &workflow.WhenError{Problem: "until and for are both there; keep one of the two"}
	}
	return nil
}

// cutTimes takes the lines off the message of a file that say a time.
func cutTimes(text string) (rest string, t Times) {
	var left strings.Builder
	for line := range strings.Lines(text) {
		plain, _ := unstyled(plainText(line))
		word, value, found := strings.Cut(workflow.TrimCell(plain), ":")
		if word = strings.ToLower(workflow.TrimCell(word)); found && slices.Contains(timeWords(), word) {
			t.put(word, workflow.TrimCell(value))
			continue
		}
		left.WriteString(line)
	}
	return left.String(), t
}
