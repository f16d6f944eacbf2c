package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// The values of a row are small JSON documents, and a batch has tens of thousands of them. They are spelled and read here
// without reflection; whatever is not spelled as it is here is read by encoding/json.

// reader reads JSON as we spell it. It fails for good at what it does not expect.
type reader struct {
	rest   string
	failed bool
}

// takes reports whether the text goes on with a letter, and steps over it.
func (r *reader) takes(c byte) bool {
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// take steps over a letter that must be there.
func (r *reader) take(c byte) {
	if !r.takes(c) {
		r.failed = true
	}
}

// text reads a text without escapes.
func (r *reader) text() string {
	r.take('"')
	end := strings.IndexByte(r.rest, '"')
	if r.failed || end < 0 || strings.IndexByte(r.rest[:end], '\\') >= 0 {
		r.failed = true
		return ""
	}
	s := r.rest[:end]
	r.rest = r.rest[end+1:]
	return s
}

// number reads a number that is not negative.
func (r *reader) number() (n int) {
	digits := 0
	for digits < len(r.rest) && r.rest[digits] >= '0' && r.rest[digits] <= '9' && digits < 18 {
		n = n*10 + int(r.rest[digits]-'0')
		digits++
	}
	r.failed = r.failed || digits == 0
	r.rest = r.rest[digits:]
	return n
}

// members calls fn with each key of an object, to read its value.
func (r *reader) members(fn func(key string)) {
	r.take('{')
	if r.takes('}') {
		return
	}
	for !r.failed {
		key := r.text()
		r.take(':')
		if !r.failed {
			fn(key)
		}
		if r.takes('}') {
			return
		}
		r.take(',')
	}
}

// items calls fn for each value of a list, to read it.
func (r *reader) items(fn func()) {
	r.take('[')
	if r.takes(']') {
		return
	}
	for !r.failed {
		fn()
		if r.takes(']') {
			return
		}
		r.take(',')
	}
}

// readValues reads an object of texts.
func readValues[K ~string](r *reader) (v workflow.ValuesBy[K]) {
	r.members(func(key string) {
		value := r.text()
		if value == "" { // never spelled by us
			r.failed = true
		}
		v.Set(K(key), value)
	})
	return v
}

// readJSON reads a column by read, or else by encoding/json into a value that is empty.
func readJSON(value any, read func(r *reader), into any) error {
	if value == nil {
		return nil
	}
	spelled, ok := value.(string)
	if !ok {
		return fmt.Errorf("read a value: it is a %T", value)
	}
	r := reader{rest: spelled}
	if read(&r); !r.failed && r.rest == "" {
		return nil
	}
	reflect.ValueOf(into).Elem().SetZero()
	return json.Unmarshal([]byte(spelled), into)
}

// values are values by key as a column, NULL where there are none.
type values[K ~string] struct{ of *workflow.ValuesBy[K] }

// Value spells them.
func (v values[K]) Value() (driver.Value, error) {
	if len(*v.of) == 0 {
		return nil, nil
	}
	return string(store.AppendValues(make([]byte, 0, 128), *v.of)), nil
}

// Scan reads the column.
func (v values[K]) Scan(value any) error {
	*v.of = nil
	return readJSON(value, func(r *reader) { *v.of = readValues[K](r) }, v.of)
}

// texts are a list of texts as a column, NULL where there are none.
type texts struct{ of *[]string }

// Value spells it.
func (t texts) Value() (driver.Value, error) {
	if len(*t.of) == 0 {
		return nil, nil
	}
	out := append(make([]byte, 0, 256), '[')
	for i, s := range *t.of {
		if i > 0 {
			out = append(out, ',')
		}
		out = store.AppendText(out, s)
	}
	return string(append(out, ']')), nil
}

// Scan reads the column.
func (t texts) Scan(value any) error {
	*t.of = nil
	return readJSON(value, func(r *reader) {
		list := make([]string, 0, 8)
		r.items(func() { list = append(list, r.text()) })
		*t.of = list
	}, t.of)
}

// outcomes are what became of the steps of a change as a column, NULL where there is nothing.
type outcomes struct{ of *[]workflow.StepOutcome }

// Value spells them.
func (o outcomes) Value() (driver.Value, error) {
	if len(*o.of) == 0 {
		return nil, nil
	}
	return text(*o.of), nil
}

// Scan reads the column.
func (o outcomes) Scan(value any) error {
	*o.of = nil
	return readJSON(value, func(r *reader) {
		list := make([]workflow.StepOutcome, 0, 1)
		r.items(func() { list = append(list, readOutcome(r)) })
		*o.of = list
	}, o.of)
}

// readOutcome reads one that has nothing but its usual members.
func readOutcome(r *reader) (o workflow.StepOutcome) {
	r.members(func(key string) {
		switch key {
		case "state":
			o.State = workflow.ChangeState(r.text())
		case "attempts":
			o.Attempts = r.number()
		case "finished":
			var err error
			if o.Finished, err = time.Parse(time.RFC3339Nano, r.text()); err != nil {
				r.failed = true
			}
		default:
			r.failed = true
		}
	})
	return o
}
