package sqlite

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// What changes every day an account is used lies apart from what seldom does: in strips. Each account
// of a population has a place, and a strip is one value (a slot) of stripPlaces accounts, one letter an
// account. A night writes the strips anew in which a letter is another one: a byte or two for each
// value, and no row for each account. With SQL: view snapshot_row.
const (
	stripPlaces = 512
	slotBits    = 20

	ownerSlot   = 0 // who decides about the account
	activeSlot  = 1 // when it was last active
	productSlot = 2 // when it was last active in its first product; the others follow
)

// The letters of a strip.
const (
	letterNone   = ' '    // nothing
	letterNewest = '!'    // the strip's base; the letters behind it stand for the days before
	letterText   = 0xE000 // the first of the strip's texts; private use, so that no day has it
	oldestAge    = 50_000 // days before the base that a letter can stand for: below the surrogates
)

// mark is a value of a slot, in short: none, a day, or a text of an activity.
type mark uint32

const (
	noMark   mark = 0
	textMark mark = 1 << 31
)

// firstDay is the day before the first that has a mark, in days since 1970.
var firstDay = dayOf(time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC))

// lastDay is the last one.
var lastDay = dayOf(time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC))

func dayOf(t time.Time) int { return int(t.Unix() / (24 * 60 * 60)) }

// strip names a strip.
func strip(block, slot int) int64 { return int64(block)<<slotBits | int64(slot) }

// activity holds slots of accounts by place.
type activity struct {
	strips map[int64]*[stripPlaces]mark
	days   map[string]mark // of texts that are days, as they were read
	words  map[mark]string // of both
	texts  map[string]mark // of other texts
}

func newActivity() *activity {
	return &activity{map[int64]*[stripPlaces]mark{}, map[string]mark{}, map[mark]string{noMark: ""}, map[string]mark{"": noMark}}
}

// mark returns what a text is in short.
func (a *activity) mark(text string) mark {
	if m, ok := a.days[text]; ok {
		return m
	}
	if m, ok := a.texts[text]; ok {
		return m
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil && at.Format(time.DateOnly) == text {
		if day := dayOf(at); day > firstDay && day <= lastDay {
			m := mark(day - firstDay)
			text = strings.Clone(text)
			a.days[text], a.words[m] = m, text
			return m
		}
	}
	text = strings.Clone(text)
	m := textMark | mark(len(a.texts))
	a.texts[text], a.words[m] = m, text
	return m
}

// set sets a slot of an account.
func (a *activity) set(place, slot int, text string) {
	id := strip(place/stripPlaces, slot)
	s := a.strips[id]
	if s == nil {
		if text == "" {
			return
		}
		s = new([stripPlaces]mark)
		a.strips[id] = s
	}
	s[place%stripPlaces] = a.mark(text)
}

// get returns a slot of an account.
func (a *activity) get(place, slot int) string {
	s := a.strips[strip(place/stripPlaces, slot)]
	if s == nil {
		return ""
	}
	return a.word(s[place%stripPlaces])
}

func (a *activity) word(m mark) string {
	word, ok := a.words[m]
	if !ok { // a day that was spelled by a letter
		word = time.Unix(int64(firstDay+int(m))*24*60*60, 0).UTC().Format(time.DateOnly)
		a.words[m] = word
	}
	return word
}

// lettered is a strip as it is stored. The same values are always spelled the same.
type lettered struct {
	base  int    // in days since 1970: the newest day
	days  string // without what is nothing at its end
	texts string // JSON; "[]" where there are none
}

// spell spells a strip.
func (a *activity) spell(s *[stripPlaces]mark) lettered {
	newest := noMark
	for _, m := range s {
		if m&textMark == 0 {
			newest = max(newest, m)
		}
	}
	var texts []string
	known := map[mark]rune{}
	letters := make([]rune, stripPlaces)
	end := 0
	for i, m := range s {
		letters[i] = letterNone
		if m == noMark {
			continue
		}
		end = i + 1
		if age := newest - m; m&textMark == 0 && age <= oldestAge {
			letters[i] = letterNewest + rune(age)
			continue
		}
		letter, ok := known[m]
		if !ok {
			letter = letterText + rune(len(texts))
			known[m], texts = letter, append(texts, a.word(m))
		}
		letters[i] = letter
	}
	out := lettered{days: string(letters[:end]), texts: array(texts)}
	if newest != noMark {
		out.base = firstDay + int(newest)
	}
	return out
}

// read reads a strip as it is stored.
func (a *activity) read(l lettered) (*[stripPlaces]mark, error) {
	var texts []string
	if l.texts != "[]" {
		if err := json.Unmarshal([]byte(l.texts), &texts); err != nil {
			return nil, fmt.Errorf("read what accounts did: %w", err)
		}
	}
	s, at := new([stripPlaces]mark), 0
	for _, letter := range l.days {
		switch n := int(letter - letterText); {
		case at >= stripPlaces, n >= len(texts), letter < letterNone:
			return nil, fmt.Errorf("read what accounts did: letter %d means nothing", letter)
		case n >= 0:
			s[at] = a.mark(texts[n])
		case letter != letterNone:
			s[at] = mark(l.base - firstDay - int(letter-letterNewest))
		}
		at++
	}
	return s, nil
}
