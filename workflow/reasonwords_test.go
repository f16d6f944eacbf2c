package workflow

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ReasonCodes returns the codes that have an entry in reasons, for the tests outside.
func ReasonCodes() []ReasonCode {
	var out []ReasonCode
	for code := range reasons {
		out = append(out, code)
	}
	slices.Sort(out)
	return out
}

// Each entry has a cause and words, names every fact that it uses, and uses every fact that it
// names but those that only programs read.
func TestReasonsAreComplete(t *testing.T) {
	t.Parallel()
	gap := regexp.MustCompile(`\{([^{}]*)\}`)
	silent := map[ReasonCode]string{ReasonOwnAccount: "person", ReasonOwnAlone: "person"}
	causes := map[string]ReasonCode{}
	for code, entry := range reasons {
		if entry.cause == "" || (len(entry.words) == 0) == (entry.say == nil) {
			t.Errorf("%s: cause %q, %d sentences, say %v", code, entry.cause, len(entry.words), entry.say != nil)
			continue
		}
		if other := causes[entry.cause]; other != "" {
			t.Errorf("%s and %s are counted as %q", code, other, entry.cause)
		}
		causes[entry.cause] = code
		var facts []string
		for i := range entry.facts {
			facts = append(facts, fmt.Sprintf("<%d>", i))
		}
		said := ""
		for i, sentence := range entry.words {
			for _, name := range gap.FindAllStringSubmatch(sentence, -1) {
				fact, must := strings.CutSuffix(name[1], "?")
				if !slices.Contains(entry.facts, fact) || must && i == len(entry.words)-1 {
					t.Errorf("%s: the gap %s in %q", code, name[0], sentence)
				}
			}
			if bare := gap.ReplaceAllString(sentence, ""); strings.ContainsAny(bare, "{}") || strings.HasSuffix(bare, ".") {
				t.Errorf("%s: %q", code, sentence)
			}
			filled, _ := NewReason(code, facts...).fill(sentence, entry.facts)
			said += filled
		}
		said += NewReason(code, facts...).Words()
		for i, fact := range facts {
			if strings.Contains(said, fact) == (silent[code] == entry.facts[i]) && code != ReasonDayLimit {
				t.Errorf("%s: the fact %s is used: %v", code, entry.facts[i], strings.Contains(said, fact))
			}
		}
	}
}

// Several rows are counted in the plural: "2 duplicate rows".
func TestCausesInThePlural(t *testing.T) {
	t.Parallel()
	const nouns = `(account|address|row|domain|group|site|user|admin|directory|product|name|value|message)\b`
	singular := regexp.MustCompile(`^((no such|not a|not an|a|an|duplicate|unreadable|organisation|own|parking|new|SCIM|legacy)( legacy)? )?` + nouns + `|\bits\b|\bends\b`)
	for code, entry := range reasons {
		if got := code.Causes(2); singular.MatchString(got) {
			t.Errorf("%s: two are counted as %q", code, got)
		}
		if code.Causes(1) != entry.cause || code.Causes(0) != code.Causes(2) {
			t.Errorf("%s: one is counted as %q, none as %q", code, code.Causes(1), code.Causes(0))
		}
	}
}
