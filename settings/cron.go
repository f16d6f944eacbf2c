package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// cronRemedy shows the form of a schedule.
const cronRemedy = `write five fields, minute hour day month weekday, as "0 2 * * *"`

// cronFields are the fields of a cron line with the numbers that each may have.
var cronFields = []struct {
	name        string
	least, most int
}{{"minute", 0, 59}, {"hour", 0, 23}, {"day", 1, 31}, {"month", 1, 12}, {"weekday", 0, 7}}

// parseCron reads a cron line of five fields, or @daily and its kind. Sunday may be 0 or 7; in the result it is 0.
func parseCron(v value) (any, error) {
	// The zone is a setting of its own, and robfig/cron v3.0.1 panics on TZ= without fields (robfig/cron#554).
	if strings.HasPrefix(v.text, "TZ=") || strings.HasPrefix(v.text, "CRON_TZ=") {
		return nil, refuse("has a time zone in it", "move it to timezone:")
	}
	line := sundays(v.text)
	parsed, err := cron.ParseStandard(line)
	spec, isSpec := parsed.(*cron.SpecSchedule)
	switch {
	case err != nil:
		return nil, refuse(`"`+shown+`" is not a cron line: `+cronProblem(v.text), cronRemedy)
	case !isSpec: // @every counts from the start of the program, so nothing could be made up after a restart
		return nil, refuse(`"`+shown+`" has no times of day`, cronRemedy)
	case spec.Next(time.Now()).IsZero():
		return nil, refuse(`"`+shown+`" never comes`, cronRemedy)
	}
	return line, nil
}

// sundays writes a weekday of 7, which robfig/cron does not know, as 0, and a range that ends on Sunday as its days. What is
// no cron line stays as it is.
func sundays(line string) string {
	fields := strings.Fields(line)
	if len(fields) != len(cronFields) {
		return line
	}
	parts := strings.Split(fields[4], ",")
	for i, each := range parts {
		days, step, stepped := strings.Cut(each, "/")
		first, last, ranged := strings.Cut(days, "-")
		if !ranged {
			last = first
		}
		by, byErr := 1, error(nil)
		if stepped {
			by, byErr = strconv.Atoi(step)
		}
		from, to := weekdayNumber(first), weekdayNumber(last)
		if ranged && to == 0 && from > 0 { // mon-sun
			to = 7
		}
		if to != 7 || from < 0 || byErr != nil || by < 1 {
			continue
		}
		var all []string
		for n := from; n <= 7; n += by {
			all = append(all, strconv.Itoa(n%7))
		}
		parts[i] = strings.Join(slices.Compact(all), ",")
	}
	fields[4] = strings.Join(parts, ",")
	return strings.Join(fields, " ")
}

// weekdayNumber returns the number of a weekday as cron counts it, from 0 to 7 for Sunday to Sunday; -1 for what is none.
func weekdayNumber(word string) int {
	if i := slices.Index(weekdays, strings.ToLower(word)); i >= 0 {
		return i
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 0 || n > 7 || strings.HasPrefix(word, "+") {
		return -1
	}
	return n
}

// cronProblem returns what is wrong with a line that is not one of cron's.
func cronProblem(line string) string {
	fields := strings.Fields(line)
	if strings.HasPrefix(line, "@") {
		return "the words are @hourly, @daily, @weekly, @monthly and @yearly"
	}
	if len(fields) != len(cronFields) {
		word := "fields"
		if len(fields) == 1 {
			word = "field"
		}
		return fmt.Sprintf("it has %d %s and not %d", len(fields), word, len(cronFields))
	}
	for i, f := range cronFields {
		alone := slices.Repeat([]string{"*"}, len(cronFields))
		alone[i] = fields[i]
		if _, err := cron.ParseStandard(sundays(strings.Join(alone, " "))); err == nil {
			continue
		}
		for _, number := range strings.FieldsFunc(fields[i], func(r rune) bool { return r < '0' || r > '9' }) {
			if n, err := strconv.Atoi(number); err != nil || n > f.most || n < f.least {
				return fmt.Sprintf("its %s %s is not from %d to %d", f.name, number, f.least, f.most)
			}
		}
		return fmt.Sprintf("its %s %q cannot be read", f.name, fields[i])
	}
	return "it cannot be read"
}
