package workflow

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// marksInARow is how many combining marks one letter may carry: real writing needs fewer, and more
// of them climb over the lines above.
const marksInARow = 4

// EscapeInvisible returns text from people as it may be shown: what cannot be seen, what turns the
// order of reading about and what climbs over other lines is spelled out, as [U+202E]. Line breaks
// stay.
func EscapeInvisible(s string) string {
	if plainASCII(s) {
		return s
	}
	var out strings.Builder
	marks := 0
	before := ' '
	letters := []rune(s) // broken bytes become U+FFFD
	for i, r := range letters {
		next := ' '
		if i+1 < len(letters) {
			next = letters[i+1]
		}
		if unicode.In(r, unicode.Mn, unicode.Me) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case hidden(r) && !joins(before, r, next), marks > marksInARow:
			fmt.Fprintf(&out, "[U+%04X]", r)
		default:
			out.WriteRune(r)
		}
		before = r
	}
	return out.String()
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// hidden reports whether a character shows nothing by itself or changes how others are shown:
// controls, format characters with those that reverse the direction, and letters that are drawn as
// nothing.
func hidden(r rune) bool {
	switch {
	case r == '\n', r == '\r', r == '\t':
		return false
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point):
		return true
	}
	return r == 0x2800 // a pattern of Braille without a dot
}

// Invisible reports whether a letter shows nothing and is no control letter: marks of the encoding
// and of the direction of writing, joiners, fillers.
func Invisible(r rune) bool {
	return r >= 0x7F && (r == 0x2800 || unicode.In(r, unicode.Cf, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point))
}

// joins reports whether a character that shows nothing does its proper work between two others: the
// joiners of Arabic, Persian and the scripts of India, and those within emoji.
func joins(before, r, next rune) bool {
	const nonJoiner, joiner, emojiStyle = '\u200c', '\u200d', '\ufe0f'
	switch r {
	case nonJoiner, joiner:
		return unicode.In(before, joinedScripts...) && unicode.In(next, joinedScripts...) ||
			r == joiner && emoji(before) && emoji(next)
	case emojiStyle:
		return emoji(before)
	}
	return false
}

var joinedScripts = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya,
	unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Mongolian,
	unicode.Inherited,
}

func emoji(r rune) bool {
	return unicode.Is(unicode.So, r) || r == '\ufe0f' || r >= 0x1f3fb && r <= 0x1f3ff // the tones of skin
}

// CutAt cuts a text after so many characters, visibly.
func CutAt(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n == most-1 && utf8.RuneCountInString(s[i:]) > 1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
