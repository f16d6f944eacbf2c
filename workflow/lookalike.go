package workflow

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// alike are letters that are drawn like one of ASCII, or like two (Unicode Technical Standard 39, confusables.txt, revision
// for Unicode 16: the letters that addresses can have; what differs by an accent alone is taken apart by normalisation).
var alike = map[rune]string{
	// Cyrillic
	'а': "a", 'в': "b", 'с': "c", 'ԁ': "d", 'е': "e", 'ғ': "f", 'һ': "h", 'н': "h", 'і': "i", 'ј': "j", 'к': "k", 'ӏ': "l",
	'м': "m", 'о': "o", 'р': "p", 'ԛ': "q", 'г': "r", 'ѕ': "s", 'т': "t", 'ц': "u", 'ѵ': "v", 'ԝ': "w", 'х': "x", 'у': "y",
	'ү': "y", 'ь': "b", 'з': "3", 'б': "6",
	// Greek
	'α': "a", 'β': "b", 'ε': "e", 'η': "n", 'ι': "i", 'κ': "k", 'ν': "v", 'ο': "o", 'ρ': "p", 'σ': "o", 'τ': "t", 'υ': "u",
	'χ': "x", 'γ': "y", 'ω': "w",
	// Armenian
	'ա': "w", 'զ': "q", 'հ': "h", 'ո': "n", 'ս': "u", 'օ': "o", 'ց': "g", 'ք': "p", 'լ': "l",
	// Latin
	'ı': "i", 'ɩ': "i", 'ɑ': "a", 'ɡ': "g", 'ł': "l", 'ø': "o", 'đ': "d", 'ħ': "h", 'ŋ': "n", 'ƅ': "b", 'ꞵ': "b", 'ʏ': "y",
	'ᴄ': "c", 'ᴏ': "o", 'ᴜ': "u", 'ᴠ': "v", 'ᴡ': "w", 'ᴢ': "z", 'ꜱ': "s", 'ꮪ': "s", 'ꭱ': "r",
	// Others
	'ہ': "o", '๐': "o", '໐': "o", '०': "o", '০': "o", '‐': "-", '‑': "-", '‒': "-", '–': "-", '−': "-", 'ー': "-",
}

// pairs are letters of ASCII that are taken for others.
var pairs = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "0", "o", "1", "l", "i", "l", "5", "s", "3", "e")

// skeleton is what a name looks like: names that look alike have the same.
func skeleton(name string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(foldAddress(name)) {
		switch like, known := alike[r]; {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case known:
			out.WriteString(like)
		default:
			out.WriteRune(r)
		}
	}
	return pairs.Replace(out.String())
}

// inLetters is a domain with its labels as people see them, whatever they are sent as ("xn--…").
func inLetters(domain string) string {
	letters, err := idna.Punycode.ToUnicode(domain)
	if err != nil {
		return domain // no letters stand behind it
	}
	return letters
}

// inASCII is a domain as it is sent.
func inASCII(domain string) string {
	ascii, err := idna.Punycode.ToASCII(domain)
	if err != nil {
		return domain
	}
	return ascii
}

// looks holds new addresses against the verified domains of the organisation.
type looks struct {
	verified []string
	likes    map[string]string // domain → what lookalike said
	domains  map[string]string // domain → what is odd about it
}

func newLooks(verified []string) *looks {
	return &looks{verified: verified, likes: map[string]string{}, domains: map[string]string{}}
}

// like is lookalike for many rows of few domains.
func (l *looks) like(domain string) string {
	other, known := l.likes[domain]
	if !known {
		other = lookalike(domain, l.verified)
		l.likes[domain] = other
	}
	return other
}

// odd is oddAddress for many rows of few domains.
func (l *looks) odd(address string) string {
	local, domain, _ := lastCut(address, "@")
	if what := oddWord(local); what != "" {
		return what
	}
	what, known := l.domains[domain]
	if !known {
		what = oddDomain(domain, l.verified)
		l.domains[domain] = what
	}
	return what
}

// lookalike gives the domain among the given ones that the name is easily taken for, "" when there is none or it is one
// of them itself.
func lookalike(domain string, ours []string) string {
	name := inLetters(foldAddress(domain))
	looks := skeleton(name)
	for _, our := range ours {
		if known := inLetters(our); known == name {
			return ""
		}
	}
	for _, our := range ours {
		if known := inLetters(our); skeleton(known) == looks || near(name, known) {
			return our
		}
	}
	return ""
}

// near says whether two domains differ by one slip of the hand in more than a short name.
func near(a, b string) bool {
	const shortest = 8
	return len(b) >= shortest && editDistance(a, b) == 1
}

// spelled is a domain for a sentence: as it is seen, and as it is sent where that differs.
func spelled(domain string) string {
	letters, ascii := inLetters(domain), inASCII(domain)
	if letters == ascii {
		return domain
	}
	return fmt.Sprintf("%s (%s)", Visible(letters), ascii)
}

// oddAddress says in a few words what makes an address look like another one, "" when nothing does: letters of several
// alphabets in one word, letters of another alphabet that all look like ours, or a domain that looks like another of ours.
func oddAddress(address string, verified []string) string { return newLooks(verified).odd(address) }

func oddDomain(domain string, verified []string) string {
	for label := range strings.SplitSeq(inLetters(foldAddress(domain)), ".") {
		if what := oddWord(label); what != "" {
			return what + " in the domain " + spelled(domain)
		}
	}
	others := slices.DeleteFunc(slices.Clone(verified), func(d string) bool { return SameAddress(d, domain) })
	for _, other := range others {
		if skeleton(inLetters(other)) == skeleton(inLetters(domain)) {
			return fmt.Sprintf("the domain %s looks like %s", spelled(domain), spelled(other))
		}
	}
	return ""
}

// oddWord looks at one word of an address.
func oddWord(word string) string {
	if plainASCII(word) {
		return ""
	}
	scripts := map[string][]rune{}
	var order []string
	foreign, deceiving := 0, 0
	for _, r := range word {
		name := script(r)
		if name == "" {
			continue
		}
		if _, seen := scripts[name]; !seen {
			order = append(order, name)
		}
		scripts[name] = append(scripts[name], r)
		if name != latin {
			foreign++
			if _, known := alike[unicode.ToLower(r)]; known {
				deceiving++
			}
		}
	}
	switch {
	case len(order) > 1 && !oneWriting(order):
		rare := slices.MinFunc(order, func(a, b string) int {
			n := len(scripts[a]) - len(scripts[b])
			switch {
			case n == 0 && b == latin: // as many of both: ours are not what is odd
				return -1
			case n == 0 && a == latin:
				return 1
			}
			return n
		})
		return fmt.Sprintf("%s letters among others (%s)", rare, codePoints(scripts[rare]))
	case foreign > 0 && foreign == deceiving:
		return fmt.Sprintf("%s letters that look like Latin ones (%s)", order[0], codePoints(scripts[order[0]]))
	}
	if wide := norm.NFKC.String(word); wide != norm.NFC.String(word) {
		return "letters of another shape for " + Visible(wide)
	}
	return ""
}

const latin = "Latin"

// script names the alphabet of a letter, "" for what belongs to all.
func script(r rune) string {
	switch {
	case r < 0x80:
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return latin
		}
		return ""
	case unicode.In(r, unicode.Common, unicode.Inherited):
		return ""
	}
	for _, name := range frequentScripts {
		if unicode.Is(unicode.Scripts[name], r) {
			return name
		}
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "unknown"
}

// frequentScripts are looked at first.
var frequentScripts = []string{
	latin, "Cyrillic", "Greek", "Armenian", "Arabic", "Hebrew", "Han", "Hiragana", "Katakana", "Hangul",
}

// oneWriting says whether the scripts are used together in one language: Japanese, Korean, Chinese.
func oneWriting(scripts []string) bool {
	return !slices.ContainsFunc(scripts, func(s string) bool {
		return !slices.Contains([]string{latin, "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"}, s)
	})
}

// codePoints names a few letters by their numbers.
func codePoints(letters []rune) string {
	const most = 4
	var out []string
	for i, r := range letters {
		if i == most {
			out = append(out, "…")
			break
		}
		out = append(out, fmt.Sprintf("U+%04X", r))
	}
	return strings.Join(out, " ")
}
