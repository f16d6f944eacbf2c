package workspace

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rule checks one value; at is its JSON pointer.
type rule func(c *checker, at string, v any)

// fields are the rules of an object's fields.
type fields map[string]rule

// shape is an object: the fields that it must have and those that it may have. Others are refused.
type shape struct {
	need, may fields
	also      rule // what is more than one field, nil when nothing is
}

func (s shape) check(c *checker, at string, v any) {
	object, is := v.(map[string]any)
	if !is {
		c.fail(at, "must provide an object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.need)) {
		if object[name] == nil {
			c.fail(at, "missing required field: %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value := object[name]
		check := s.need[name]
		if check == nil {
			check = s.may[name]
		}
		switch {
		case check == nil:
			c.fail(at+"/"+name, "no more properties are allowed: %s", name)
		case value != nil:
			check(c, at+"/"+name, value)
		}
	}
	if s.also != nil {
		s.also(c, at, object)
	}
}

// typed picks the shape by the field "type". Every shape also takes the fields of common.
func typed(what string, common fields, shapes map[string]shape) rule {
	return func(c *checker, at string, v any) {
		object, is := v.(map[string]any)
		if !is {
			c.fail(at, "must provide an object")
			return
		}
		kind, _ := object["type"].(string)
		s, known := shapes[kind]
		if !known {
			c.fail(at+"/type", "unsupported type of %s: %s", what, kind)
			return
		}
		may := fields{}
		maps.Copy(may, common)
		maps.Copy(may, s.may)
		may["type"] = func(*checker, string, any) {}
		shape{need: s.need, may: may, also: s.also}.check(c, at, v)
	}
}

// letters returns a rule for a string of least to most letters.
func letters(least, most int) rule {
	return func(c *checker, at string, v any) {
		s, is := v.(string)
		n := utf8.RuneCountInString(s)
		switch {
		case !is:
			c.fail(at, "must be a string")
		case n < least:
			c.fail(at, "must be more than %d characters", least-1)
		case n > most:
			c.fail(at, "must be less than %d characters", most+1)
		}
	}
}

// shown returns a rule for a string that counts as text of its block.
func shown(least, most int) rule {
	check := letters(least, most)
	return func(c *checker, at string, v any) {
		check(c, at, v)
		if s, is := v.(string); is {
			c.letters += utf8.RuneCountInString(s)
		}
	}
}

func flag(c *checker, at string, v any) {
	if _, is := v.(bool); !is {
		c.fail(at, "must be a boolean")
	}
}

func number(least, most int64) rule {
	return func(c *checker, at string, v any) {
		n, is := v.(json.Number)
		whole, err := strconv.ParseInt(string(n), 10, 64)
		switch {
		case !is || err != nil:
			c.fail(at, "must be an integer")
		case whole < least || whole > most:
			c.fail(at, "must be between %d and %d", least, most)
		}
	}
}

func float(c *checker, at string, v any) {
	if _, is := v.(json.Number); !is {
		c.fail(at, "must be a number")
	}
}

func oneOf(words ...string) rule {
	return func(c *checker, at string, v any) {
		if s, is := v.(string); !is || !slices.Contains(words, s) {
			c.fail(at, "must be one of %s", strings.Join(words, ", "))
		}
	}
}

// list returns a rule for a list of least to most items.
func list(least, most int, item rule) rule {
	return func(c *checker, at string, v any) {
		items, is := v.([]any)
		switch {
		case !is:
			c.fail(at, "must be an array")
			return
		case len(items) < least:
			c.fail(at, "no less than %d items allowed", least)
		case len(items) > most:
			c.fail(at, "no more than %d items allowed", most)
		}
		for i, one := range items {
			item(c, at+"/"+strconv.Itoa(i), one)
		}
	}
}

// text returns a rule for a text object of one to most letters.
func text(most int, kinds ...string) rule {
	object := shape{
		need: fields{"type": oneOf(kinds...), "text": shown(1, most)},
		may:  fields{"emoji": flag, "verbatim": flag},
		also: func(c *checker, at string, v any) {
			object := v.(map[string]any) // shape.check gives objects only
			if object["emoji"] != nil && object["type"] == mrkdwn {
				c.fail(at+"/emoji", "no more properties are allowed: emoji")
			}
			if object["verbatim"] != nil && object["type"] == plain {
				c.fail(at+"/verbatim", "no more properties are allowed: verbatim")
			}
		},
	}
	return object.check
}
