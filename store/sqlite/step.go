package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// steps are the steps of a change as a column. What a step has in common with its change is left
// out: row, action and account; what it sets, and what it expects where that is what the change
// expects and, by "also", something more. The columns of the change must have been read before.
type steps struct{ of *workflow.Change }

// stepForm is how a step is spelled; what is missing is as in the change.
type stepForm struct {
	Seq       int                  `json:"seq"`
	After     int                  `json:"after"`
	Bundle    int                  `json:"bundle"`
	Row       *int                 `json:"row"`
	Action    *workflow.ActionName `json:"action"`
	Place     workflow.Place       `json:"place"`
	Directory string               `json:"directory"`
	Site      string               `json:"site"`
	AccountID *string              `json:"account_id"`
	At        string               `json:"at"`
	Until     string               `json:"until"`
	Expect    *workflow.Values     `json:"expect"`
	Also      workflow.Values      `json:"also"`
	Set       *workflow.Values     `json:"set"`
}

// Value spells them, NULL where there are none.
func (s steps) Value() (driver.Value, error) {
	c := s.of
	if len(c.Steps) == 0 {
		return nil, nil
	}
	out := append(make([]byte, 0, 128), '[')
	for i := range c.Steps {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendStep(out, &c.Steps[i], c)
	}
	return string(append(out, ']')), nil
}

func appendStep(out []byte, s *workflow.Step, c *workflow.Change) []byte {
	out = strconv.AppendInt(append(out, `{"seq":`...), int64(s.Seq), 10)
	number := func(key string, n int) {
		out = append(append(append(out, `,"`...), key...), `":`...)
		out = strconv.AppendInt(out, int64(n), 10)
	}
	word := func(key, value string) {
		out = append(append(append(out, `,"`...), key...), `":`...)
		out = store.AppendText(out, value)
	}
	object := func(key string, v workflow.Values) {
		out = append(append(append(out, `,"`...), key...), `":`...)
		out = store.AppendValues(out, v)
	}
	if s.After != 0 {
		number("after", s.After)
	}
	if s.Bundle != 0 {
		number("bundle", s.Bundle)
	}
	if s.Row != c.Row {
		number("row", s.Row)
	}
	if s.Action != c.Action {
		word("action", string(s.Action))
	}
	for _, w := range []struct{ key, value string }{
		{"place", string(s.Place)}, {"directory", s.Directory}, {"site", s.Site}, {"at", s.At}, {"until", s.Until},
	} {
		if w.value != "" {
			word(w.key, w.value)
		}
	}
	if s.AccountID != c.AccountID {
		word("account_id", s.AccountID)
	}
	if also, as := beyond(s.Expect, c.Expect); !as {
		object("expect", s.Expect)
	} else if len(also) > 0 {
		object("also", also)
	}
	if !s.Set.Equal(c.Set) {
		object("set", s.Set)
	}
	return append(out, '}')
}

// beyond returns what v holds beyond the values of base; ok is false where it lacks one of them, or
// has another.
func beyond(v, base workflow.Values) (also workflow.Values, ok bool) {
	for key, value := range base.All() {
		if have, is := v.Lookup(key); !is || have != value || value == "" {
			return nil, false
		}
	}
	for key, value := range v.All() {
		if value == "" {
			return nil, false
		}
		if _, is := base.Lookup(key); !is {
			also.Set(key, value)
		}
	}
	return also, true
}

// Scan reads the column.
func (s steps) Scan(value any) error {
	c := s.of
	c.Steps = nil
	if value == nil {
		return nil
	}
	spelled, ok := value.(string)
	if !ok {
		return fmt.Errorf("read steps: they are a %T", value)
	}
	r := reader{rest: spelled}
	list := make([]workflow.Step, 0, 1)
	r.items(func() { list = append(list, readStep(&r, c)) })
	if !r.failed && r.rest == "" {
		c.Steps = list
		return nil
	}
	var forms []stepForm
	if err := json.Unmarshal([]byte(spelled), &forms); err != nil {
		return fmt.Errorf("read steps: %w", err)
	}
	c.Steps = make([]workflow.Step, len(forms))
	for i := range forms {
		c.Steps[i] = forms[i].step(c)
	}
	return nil
}

// readStep reads one as it is spelled here.
func readStep(r *reader, c *workflow.Change) workflow.Step {
	s := workflow.Step{Row: c.Row, Action: c.Action, AccountID: c.AccountID, Set: c.Set, Expect: c.Expect}
	r.members(func(key string) {
		switch key {
		case "seq":
			s.Seq = r.number()
		case "after":
			s.After = r.number()
		case "bundle":
			s.Bundle = r.number()
		case "row":
			s.Row = r.number()
		case "action":
			s.Action = workflow.ActionName(r.text())
		case "place":
			s.Place = workflow.Place(r.text())
		case "directory":
			s.Directory = r.text()
		case "site":
			s.Site = r.text()
		case "at":
			s.At = r.text()
		case "until":
			s.Until = r.text()
		case "account_id":
			s.AccountID = r.text()
		case "expect":
			s.Expect = readValues[workflow.Field](r)
		case "also":
			s.Expect = with(c.Expect, readValues[workflow.Field](r))
		case "set":
			s.Set = readValues[workflow.Field](r)
		default:
			r.failed = true
		}
	})
	return s
}

func (f *stepForm) step(c *workflow.Change) workflow.Step {
	s := workflow.Step{
		Seq: f.Seq, After: f.After, Bundle: f.Bundle, Row: c.Row, Action: c.Action, Place: f.Place, Directory: f.Directory,
		Site: f.Site, AccountID: c.AccountID, At: f.At, Until: f.Until, Expect: c.Expect, Set: c.Set,
	}
	if f.Row != nil {
		s.Row = *f.Row
	}
	if f.Action != nil {
		s.Action = *f.Action
	}
	if f.AccountID != nil {
		s.AccountID = *f.AccountID
	}
	if f.Expect != nil {
		s.Expect = given(*f.Expect)
	}
	if len(f.Also) > 0 {
		s.Expect = with(c.Expect, f.Also)
	}
	if f.Set != nil {
		s.Set = given(*f.Set)
	}
	return s
}

// given returns nil for no values.
func given(v workflow.Values) workflow.Values {
	if len(v) == 0 {
		return nil
	}
	return v
}

// with returns a copy of v with more values.
func with(v, more workflow.Values) workflow.Values {
	out := make(workflow.Values, 0, len(v)+len(more))
	for _, each := range []workflow.Values{v, more} {
		for key, value := range each.All() {
			out.Set(key, value)
		}
	}
	return out
}
