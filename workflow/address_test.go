package workflow_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/countersign/countersign/workflow"
)

// What is one address whatever its spelling, and what is not.
func TestAddressKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"lea@bücher.example", "LEA@BÜCHER.example", "lea@xn--bcher-kva.example", "Lea@XN--BCHER-KVA.Example", "lea@bu\u0308cher.example"},
		{"jos\u00e9@old.example", "jose\u0301@old.example", "JOSE\u0301@OLD.example"},
		{"ceo@new.example", "\uff43\uff45\uff4f@new.example", "ceo@\uff4eew.example", "ceo@new\u3002example", " CEO@new.example "},
		{"a@straße.example", "a@xn--strae-oqa.example"},
		{"\u212aim@a.example", "kim@a.example"},
		{"\u03c3@a.example", "\u03c2@a.example", "\u03a3@a.example"},
		{"\u30d0@a.example", "\uff8a\uff9e@a.example"},
	} {
		for _, other := range same[1:] {
			if !workflow.SameAddress(same[0], other) {
				t.Errorf("%q and %q are two: %q, %q", same[0], other, workflow.AddressKey(same[0]), workflow.AddressKey(other))
			}
			if a, b := workflow.Domain(same[0]), workflow.Domain(other); a != b {
				t.Errorf("the domains of %q and %q are two: %q, %q", same[0], other, a, b)
			}
		}
	}
	for _, two := range [][2]string{
		{"gro\u00df@a.example", "gross@a.example"}, // full folding makes one of these
		{"\ufb01n@a.example", "fin@a.example"},
		{"a@fu\u00dfball.example", "a@fussball.example"},
		{"\u0131@a.example", "i@a.example"},
		{"\u0130@a.example", "i@a.example"},
		{"jos\u00e9@a.example", "jose@a.example"},
		{"ab@a.example", "a.b@a.example"},
	} {
		if workflow.SameAddress(two[0], two[1]) {
			t.Errorf("%q and %q are one: %q", two[0], two[1], workflow.AddressKey(two[0]))
		}
	}
	if got, want := workflow.AddressKey("Lea@Bücher.Example"), "lea@xn--bcher-kva.example"; got != want {
		t.Errorf("the key is %q, want %q", got, want)
	}
	if a, b := workflow.GroupKey("Cafe\u0301 \uff21"), workflow.GroupKey("CAFÉ a"); a != b {
		t.Errorf("one group has the keys %q and %q", a, b)
	}
}

// Every letter has one key with all that differ from it by case, and the key is its own.
func TestLettersFoldOnce(t *testing.T) {
	t.Parallel()
	for r := range unicode.MaxRune {
		key := workflow.AddressKey(string(r))
		if again := workflow.AddressKey(key); again != key {
			t.Errorf("%U: %q is folded again to %q", r, key, again)
		}
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if of := workflow.AddressKey(string(other)); of != key {
				t.Errorf("%U and %U: %q and %q", r, other, key, of)
			}
		}
	}
}

// All spellings of an address have its key, the one it was written in comes first, and the usual
// ones are among them.
func TestAddressSpellings(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][]string{
		"Ada@Old.example":                {"Ada@Old.example", "ada@old.example"},
		"lea@bücher.example":             {"lea@xn--bcher-kva.example"},
		"lea@xn--bcher-kva.example":      {"lea@bücher.example"},
		"jose\u0301@old.example":         {"jos\u00e9@old.example"},
		"jos\u00e9@old.example":          {"jose\u0301@old.example"},
		"\uff43\uff45\uff4f@new.example": {"ceo@new.example"},
	} {
		got := workflow.AddressSpellings(address)
		if got[0] != address {
			t.Errorf("%q: the first of %q is another", address, got)
		}
		for _, s := range got {
			if !workflow.SameAddress(s, address) {
				t.Errorf("%q: %q is another address", address, s)
			}
		}
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%q: %q is not among %q", address, w, got)
			}
		}
	}
}

func FuzzAddressKey(f *testing.F) {
	for _, s := range []string{"lea@bücher.example", "a@xn--bcher-kva.example", "jose\u0301@x.example", "\uff43@x", "ß@ß", "a@b@c", "xn--@xn--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key := workflow.AddressKey(s)
		if again := workflow.AddressKey(key); again != key {
			t.Errorf("%q: %q is folded again to %q", s, key, again)
		}
		for _, other := range []string{norm.NFC.String(s), norm.NFD.String(s), strings.TrimSpace(s)} {
			if !workflow.SameAddress(s, other) {
				t.Errorf("%q and %q are two: %q and %q", s, other, key, workflow.AddressKey(other))
			}
		}
		for _, spelling := range workflow.AddressSpellings(strings.TrimSpace(s)) {
			if !workflow.SameAddress(spelling, s) {
				t.Errorf("%q is no spelling of %q", spelling, s)
			}
		}
	})
}
