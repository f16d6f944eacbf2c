package settings

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign/workflow/policy"
)

// window is run.window as it is written. What is left out of it: every day, in UTC.
type window struct {
	From     policy.Clock   `yaml:"from" need:"always" missing:"say from when batches may run, as from: \"19:00\""`
	To       policy.Clock   `yaml:"to" need:"always" missing:"say until when batches may run, as to: \"06:00\""`
	Days     []time.Weekday `yaml:"days"`
	Timezone *time.Location `yaml:"timezone" default:"UTC"`
}

func (w *window) check(s section) {
	if node, _ := s.find("days"); node != nil && node.Kind == yaml.SequenceNode && len(node.Content) == 0 {
		s.problem("days", "is an empty list, which would be every day", "name the days, or remove it")
	}
	if s.filled("from") && s.filled("to") && w.From == w.To && w.From != noClock {
		s.problem("to", "is the same as from, so that the window would never open", "give another time, or leave the window out")
	}
}

// noClock is what a time of day is until one is read.
var noClock = policy.Clock{Hour: -1}

// policy is the window as runs are held against it.
func (w *window) policy() policy.Window {
	return policy.Window{From: w.From, To: w.To, Days: w.Days, Location: w.Timezone}
}

func parseClock(v value) (any, error) {
	at, err := time.Parse("15:04", v.text)
	if err != nil || !clockForm.MatchString(v.text) {
		return nil, refuse(`"`+shown+`" is not a time of day; write it as "19:00"`, "")
	}
	return policy.Clock{Hour: at.Hour(), Minute: at.Minute()}, nil
}

var (
	clockForm = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):[0-5][0-9]$`)
	weekdays  = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // in the order of time.Weekday
)

func parseWeekday(v value) (any, error) {
	weekday := slices.Index(weekdays, strings.ToLower(v.text))
	if weekday < 0 {
		return nil, refuse(`"`+shown+`" is not a day`, "write days as "+strings.Join(weekdays, ", "))
	}
	return time.Weekday(weekday), nil
}
