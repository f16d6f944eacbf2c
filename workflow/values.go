package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// ValuesBy holds a few values by key, in the order of the keys. A key without a value is absent:
// setting a key to "" removes it. The zero value is empty and ready to use. A copy shares its
// values with what it was copied from until one of them is changed by Set; With never changes what
// it is called on.
//
// There is one of these for each row and each step, so it is a slice: a map of three strings takes
// five times the memory.
type ValuesBy[K ~string] []ValueOf[K]

// ValueOf is one value and its key.
type ValueOf[K ~string] struct {
	Key   K
	Value string
}

// Of returns the values that hold just that one; none where it is "".
func Of[K ~string](key K, value string) ValuesBy[K] {
	if value == "" {
		return nil
	}
	return ValuesBy[K]{{key, value}}
}

// find returns where the key stands, or has to be put.
func (v ValuesBy[K]) find(key K) (at int, found bool) {
	for at = range v {
		if v[at].Key >= key {
			return at, v[at].Key == key
		}
	}
	return len(v), false
}

// Get returns the value of the key, "" where it has none.
func (v ValuesBy[K]) Get(key K) string {
	value, _ := v.Lookup(key)
	return value
}

// Lookup returns the value of the key, and reports whether it has one.
func (v ValuesBy[K]) Lookup(key K) (value string, found bool) {
	for i := range v { // keys that are not the same seldom have the same length, so that this is quicker than find
		if v[i].Key == key {
			return v[i].Value, true
		}
	}
	return "", false
}

// Set gives the key a value, or removes the key where the value is "".
func (v *ValuesBy[K]) Set(key K, value string) {
	if n := len(*v); value != "" && (n == 0 || (*v)[n-1].Key < key) { // as who sets one after the other does
		*v = append(*v, ValueOf[K]{key, value})
		return
	}
	at, found := v.find(key)
	switch {
	case value == "" && !found:
	case value == "":
		*v = slices.Delete(*v, at, at+1)
	case found:
		(*v)[at].Value = value
	default:
		*v = slices.Insert(*v, at, ValueOf[K]{key, value})
	}
}

// With returns a copy in which the key has the value, or is absent where the value is "".
func (v ValuesBy[K]) With(key K, value string) ValuesBy[K] {
	out := append(make(ValuesBy[K], 0, len(v)+1), v...)
	out.Set(key, value)
	return out
}

// All returns the keys and their values in the order of the keys.
func (v ValuesBy[K]) All() iter.Seq2[K, string] {
	return func(yield func(K, string) bool) {
		for _, each := range v {
			if !yield(each.Key, each.Value) {
				return
			}
		}
	}
}

// Keys returns the keys in their order.
func (v ValuesBy[K]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for _, each := range v {
			if !yield(each.Key) {
				return
			}
		}
	}
}

// Equal reports whether both hold the same values.
func (v ValuesBy[K]) Equal(o ValuesBy[K]) bool { return slices.Equal(v, o) }

// MarshalJSON returns an object with the keys in their order, {} where there are none.
func (v ValuesBy[K]) MarshalJSON() ([]byte, error) {
	size := 2
	for _, each := range v {
		size += len(each.Key) + len(each.Value) + 6
	}
	out := append(make([]byte, 0, size), '{')
	for i, each := range v {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, string(each.Key))
		out = append(out, ':')
		out = appendString(out, each.Value)
	}
	return append(out, '}'), nil
}

// appendString appends a text as encoding/json writes it where nobody asks for HTML; where somebody
// does, it goes over what MarshalJSON returns itself.
func appendString(out []byte, s string) []byte {
	plain := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) < 0
	if plain {
		out = append(out, '"')
		out = append(out, s...)
		return append(out, '"')
	}
	var quoted bytes.Buffer
	enc := json.NewEncoder(&quoted)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a text in memory has no error
	return append(out, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}

// UnmarshalJSON reads an object of texts.
func (v *ValuesBy[K]) UnmarshalJSON(raw []byte) error {
	if read, ok := readPlain[K](raw); ok {
		*v = read
		return nil
	}
	var read map[K]string
	if err := json.Unmarshal(raw, &read); err != nil {
		return fmt.Errorf("values: %w", err)
	}
	*v = make(ValuesBy[K], 0, len(read))
	for key, value := range read {
		*v = append(*v, ValueOf[K]{key, value})
	}
	slices.SortFunc(*v, func(a, b ValueOf[K]) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return nil
}

// readPlain reads what MarshalJSON wrote, unless something in it is escaped: a store reads each row
// again and again. ok is false for everything else.
func readPlain[K ~string](raw []byte) (v ValuesBy[K], ok bool) {
	if bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) {
		return nil, false
	}
	rest, ok := strings.CutPrefix(string(raw), "{")
	if !ok || rest == "" {
		return nil, false
	}
	v = make(ValuesBy[K], 0, strings.Count(rest, `":"`))
	for rest != "}" {
		if len(v) > 0 {
			if rest, ok = strings.CutPrefix(rest, ","); !ok {
				return nil, false
			}
		}
		key, after, found := cutText(rest)
		after, colon := strings.CutPrefix(after, ":")
		value, left, ends := cutText(after)
		if !found || !colon || !ends || len(v) > 0 && v[len(v)-1].Key >= K(key) {
			return nil, false
		}
		v, rest = append(v, ValueOf[K]{K(key), value}), left
	}
	return v, true
}

// cutText cuts a text without escapes off the beginning of s.
func cutText(s string) (text, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, `"`)
	if !ok {
		return "", "", false
	}
	text, rest, ok = strings.Cut(s, `"`)
	return text, rest, ok && strings.IndexFunc(text, func(r rune) bool { return r < ' ' }) < 0
}
