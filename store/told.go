package store

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// The log is read by the million. Events as this program writes them are read here in one pass and
// without reflection; whatever looks otherwise is read by encoding/json.

// errOtherwise says that a text is not spelled as we spell it.
var errOtherwise = errors.New("spelled otherwise")

// cursor steps through JSON without white space.
type cursor struct {
	text string
	at   int
}

func (c *cursor) is(b byte) bool { return c.at < len(c.text) && c.text[c.at] == b }

func (c *cursor) takes(b byte) bool {
	if !c.is(b) {
		return false
	}
	c.at++
	return true
}

// word reads a text without escapes.
func (c *cursor) word() (string, error) {
	if !c.takes('"') {
		return "", errOtherwise
	}
	end := strings.IndexByte(c.text[c.at:], '"')
	if end < 0 || strings.IndexByte(c.text[c.at:c.at+end], '\\') >= 0 {
		return "", errOtherwise
	}
	word := c.text[c.at : c.at+end]
	c.at += end + 1
	return word, nil
}

// number reads a number that is whole and not negative.
func (c *cursor) number() (int, error) {
	from := c.at
	for c.at < len(c.text) && c.text[c.at] >= '0' && c.text[c.at] <= '9' {
		c.at++
	}
	n, err := strconv.Atoi(c.text[from:c.at])
	if err != nil {
		return 0, errOtherwise
	}
	return n, nil
}

// skip steps over a value of any kind.
func (c *cursor) skip() error {
	for depth := 0; c.at < len(c.text); {
		switch b := c.text[c.at]; b {
		case '"':
			if err := c.skipWord(); err != nil {
				return err
			}
			if depth == 0 {
				return nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return nil // of what the value stands in
			}
			if depth--; depth == 0 {
				c.at++
				return nil
			}
		case ',':
			if depth == 0 {
				return nil
			}
		}
		c.at++
	}
	return errOtherwise
}

func (c *cursor) skipWord() error {
	for c.at++; c.at < len(c.text); c.at++ {
		switch c.text[c.at] {
		case '\\':
			c.at++
		case '"':
			c.at++
			return nil
		}
	}
	return errOtherwise
}

// members calls fn with each key of an object, to read or skip its value.
func (c *cursor) members(fn func(key string) error) error {
	return c.each('{', '}', func() error {
		key, err := c.word()
		if err != nil || !c.takes(':') {
			return errOtherwise
		}
		return fn(key)
	})
}

// each calls fn for each value between two brackets.
func (c *cursor) each(open, shut byte, fn func() error) error {
	if !c.takes(open) {
		return errOtherwise
	}
	if c.takes(shut) {
		return nil
	}
	for {
		if err := fn(); err != nil {
			return err
		}
		if c.takes(shut) {
			return nil
		}
		if !c.takes(',') {
			return errOtherwise
		}
	}
}

// readTold reads what the audit needs of an event's facts.
func readTold(data string) (t told, err error) {
	c := cursor{text: data}
	if c.told(&t) == nil && c.at == len(data) { // that it is JSON was found before
		return t, nil
	}
	t = told{}
	err = json.Unmarshal([]byte(data), &t)
	return t, err
}

func (c *cursor) told(t *told) error {
	return c.members(func(key string) (err error) {
		switch key {
		case "author":
			t.Author, err = c.word()
		case "digest":
			t.Digest, err = c.word()
		case "person":
			t.Person, err = c.word()
		case "approvals":
			t.Approvals, err = c.number()
		case "checksum":
			err = c.checksum(t)
		default:
			if isOneOf(key, "author", "digest", "person", "approvals", "checksum") { // encoding/json takes it in any case
				return errOtherwise
			}
			err = c.skip()
		}
		return err
	})
}

// isOneOf reports whether a key is one of the names but for upper and lower case.
func isOneOf(key string, names ...string) bool {
	for _, name := range names {
		if len(key) == len(name) && strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// checksum reads one that has nothing but rows; the others are few.
func (c *cursor) checksum(t *told) error {
	return c.members(func(key string) error {
		if key != "rows" {
			return errOtherwise
		}
		return c.each('[', ']', func() error {
			var row toldRows
			err := c.members(func(key string) (err error) {
				switch key {
				case "now":
					from := c.at
					err = c.skip()
					row.Now = json.RawMessage(c.text[from:c.at])
				case "rows":
					row.Rows, err = c.word()
				default:
					err = errOtherwise
				}
				return err
			})
			t.Checksum.Rows = append(t.Checksum.Rows, row)
			return err
		})
	})
}

// readOutcome changes an outcome to what is told of it.
func readOutcome(now json.RawMessage, o *Outcome) error {
	read := *o
	c := cursor{text: string(now)}
	if c.outcome(&read) == nil && c.at == len(now) {
		*o = read
		return nil
	}
	return json.Unmarshal(now, o)
}

func (c *cursor) outcome(o *Outcome) error {
	return c.members(func(key string) (err error) {
		switch key {
		case "state":
			o.State, err = c.word()
		case "outcomes":
			from := c.at
			if err = c.skip(); err == nil {
				err = json.Unmarshal([]byte(c.text[from:c.at]), &o.Outcomes)
			}
		case "code":
			o.Code, err = c.word()
		case "attempts":
			o.Attempts, err = c.number()
		case "called":
			o.Called, err = c.word()
		case "finished":
			o.Finished, err = c.word()
		default:
			err = errOtherwise
		}
		return err
	})
}
