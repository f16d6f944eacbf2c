package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

var (
	clockForm = form{regexp.MustCompile(`^([01]?[0-9]|2[0-3]):[0-5][0-9]$`), `a time of day; write it as "19:00"`}
	weekdays  = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // in the order of time.Weekday
)

// window reads when batches may run. What is left out of it: every day, in UTC.
func (s section) window(key string, to *workflow.Window) {
	if !s.filled(key) {
		return
	}
	s.section(key, func(s section) {
		w := workflow.Window{Location: time.UTC}
		from, until := s.clock("from", &w.From), s.clock("to", &w.To)
		s.required("from", always, `say from when batches may run, as from: "19:00"`)
		s.required("to", always, `say until when batches may run, as to: "06:00"`)
		s.texts("days", func(v value) {
			day := slices.Index(weekdays, strings.ToLower(v.text))
			if day < 0 {
				v.problem(strconv.Quote(v.shown)+" is no day", "write days as "+strings.Join(weekdays, ", "))
				return
			}
			w.Days = append(w.Days, time.Weekday(day))
		})
		s.timezone("timezone", &w.Location)
		if from && until && w.From == w.To {
			s.problem("to", "is the same as from, so that the window would never open", "give another time, or leave the window out")
		}
		*to = w
	})
}

func (s section) clock(key string, to *workflow.Clock) (ok bool) {
	v, ok := s.scalar(key)
	if !ok || v.text == "" || !v.match(clockForm) {
		return false
	}
	at, err := time.Parse("15:04", v.text)
	if err != nil { // the form above allows nothing else
		v.problem("is not a time of day", `write it as "19:00"`)
		return false
	}
	*to = workflow.Clock{Hour: at.Hour(), Minute: at.Minute()}
	return true
}
