package workflow

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// alike are letters that are drawn like one of ASCII, or like two (Unicode Technical Standard 39,
// confusables.txt, revision for Unicode 16: the letters that addresses can have; what differs by an
// accent alone is taken apart by normalisation).
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

// skeleton returns what a name looks like: names that look alike have the same.
func skeleton(name string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(foldLetters(name)) {
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

// DrawnLike returns a name with ASCII's letters in the place of those of other scripts that are drawn like
// them, and the first of these; 0 where there is none.
func DrawnLike(name string) (plain string, letter rune) {
	var out strings.Builder
	for _, r := range name {
		like, known := alike[foldLetter(r)]
		if !known {
			out.WriteRune(r)
			continue
		}
		if letter == 0 {
			letter = r
		}
		out.WriteString(like)
	}
	return out.String(), letter
}

// looks holds new addresses against the verified domains of the organisation. What a domain looks
// like is computed once, however many rows and however many verified domains there are.
type looks struct {
	verified []look
	alike    map[string][]int // skeleton → the verified domains that have it, by their place
	keys     map[string]bool  // DomainKey of the verified ones
	seen     map[string]*look // domain → what is known of it

	skeleton func(string) string // a test counts
}

// look is what a domain looks like.
type look struct {
	domain, key string
	letters     []rune // of the key, as people see it
	skeleton    string
	odd, like   *string // what odd and like said, nil before they were asked
}

// VerifiedDomains are the organisation's domains that are verified, and what is easily taken for
// one of them.
type VerifiedDomains struct {
	verified map[string]bool
	looks    *looks
}

// NewVerifiedDomains returns the verified ones of the organisation's domains.
func NewVerifiedDomains(claims []DomainClaim) *VerifiedDomains {
	d := &VerifiedDomains{verified: map[string]bool{}}
	var names []string
	for _, c := range claims {
		if c.Verified {
			d.verified[DomainKey(c.Name)] = true
			names = append(names, c.Name)
		}
	}
	d.looks = newLooks(names)
	return d
}

// Verified reports whether the domain, folded, is a verified one.
func (d *VerifiedDomains) Verified(domain string) bool { return d.verified[domain] }

// Like returns the verified domain that the one given is easily taken for, "" when there is none.
func (d *VerifiedDomains) Like(domain string) string { return d.looks.like(domain) }

// Odd returns what is odd about an address, "" when nothing is.
func (d *VerifiedDomains) Odd(address string) string { return d.looks.odd(address) }

func newLooks(verified []string) *looks { return newLooksBy(skeleton, verified) }

func newLooksBy(draw func(string) string, verified []string) *looks {
	l := &looks{alike: map[string][]int{}, keys: map[string]bool{}, seen: map[string]*look{}, skeleton: draw}
	for i, domain := range verified {
		known := l.look(domain)
		l.verified = append(l.verified, *known)
		l.keys[known.key] = true
		l.alike[known.skeleton] = append(l.alike[known.skeleton], i)
	}
	return l
}

// look returns what the domain looks like.
func (l *looks) look(domain string) *look {
	known := l.seen[domain]
	if known == nil {
		key := DomainKey(domain)
		letters := inLetters(key)
		known = &look{domain: domain, key: key, letters: []rune(letters), skeleton: l.skeleton(letters)}
		l.seen[domain] = known
	}
	return known
}

// like returns the verified domain that the one given is easily taken for, "" when there is none or
// it is one of them itself.
func (l *looks) like(domain string) string {
	known := l.look(domain)
	if known.like == nil {
		known.like = new(l.easilyTakenFor(known))
	}
	return *known.like
}

func (l *looks) easilyTakenFor(name *look) string {
	if l.keys[name.key] {
		return ""
	}
	first := len(l.verified)
	if same := l.alike[name.skeleton]; len(same) > 0 {
		first = same[0]
	}
	if near := slices.IndexFunc(l.verified[:first], name.near); near >= 0 {
		first = near
	}
	if first == len(l.verified) {
		return ""
	}
	return l.verified[first].domain
}

// odd returns what is odd about an address, "" when nothing is.
func (l *looks) odd(address string) string {
	local, domain, _ := cutAtSign(address)
	if what := oddWord(local); what != "" {
		return what
	}
	known := l.look(domain)
	if known.odd == nil {
		known.odd = new(l.oddDomain(known))
	}
	return *known.odd
}

func (l *looks) oddDomain(d *look) string {
	for label := range strings.SplitSeq(inLetters(strings.ToLower(d.domain)), ".") {
		if what := oddWord(label); what != "" {
			return what + " in the domain " + DisplayDomain(d.domain)
		}
	}
	for _, i := range l.alike[d.skeleton] {
		if other := l.verified[i]; other.key != d.key {
			return fmt.Sprintf("the domain %s looks like %s", DisplayDomain(d.domain), DisplayDomain(other.domain))
		}
	}
	return ""
}

// near reports whether two domains differ by one slip of the hand, and the other one is no short name.
func (d *look) near(other look) bool {
	const shortest = 8
	return len(other.domain) >= shortest && oneSlip(d.letters, other.letters)
}

// oneSlip reports whether the texts differ by one letter more, less or other, or by two neighbours
// that changed places.
func oneSlip(a, b []rune) bool {
	if len(a)-len(b) > 1 || len(b)-len(a) > 1 {
		return false
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	switch {
	case len(a) == 2 && len(b) == 2:
		return a[0] == b[1] && a[1] == b[0]
	default:
		return max(len(a), len(b)) == 1
	}
}

// DisplayDomain returns a domain as people read it, followed by its ASCII form in brackets where
// the two differ.
func DisplayDomain(domain string) string {
	letters, ascii := inLetters(domain), inASCII(domain)
	if letters == ascii {
		return domain
	}
	return fmt.Sprintf("%s (%s)", EscapeInvisible(letters), ascii)
}

// OddAddress returns in a few words what makes an address look like another one, "" when nothing
// does: letters of several alphabets in one word, letters of another alphabet that all look like
// ours, or a domain that looks like another of ours.
func OddAddress(address string, verified []string) string { return newLooks(verified).odd(address) }

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
		return "letters of another shape for " + EscapeInvisible(wide)
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

// oneWriting reports whether the scripts are used together in one language: Japanese, Korean,
// Chinese.
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
