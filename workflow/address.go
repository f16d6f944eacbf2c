package workflow

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/rangetable"
	"golang.org/x/text/width"
)

// maxAddress is how many bytes an address may have (RFC 5321); Atlassian takes 255 for each part of
// it.
const maxAddress = 254

// AddressKey returns the one form under which an address is known everywhere: found, verified,
// free, held, protected, asked about by rules, somebody's own. Letters are composed (NFC) and of
// ordinary width, case is folded letter by letter (so that ß stays one letter, which is not ss),
// and the domain is in its ASCII form. Addresses are compared by it and sent as they were written.
// What has no @ is folded alone.
func AddressKey(address string) string {
	address = strings.TrimSpace(address)
	if plainLetters(address) && !hasACE(address) {
		return strings.ToLower(address)
	}
	local, domain, ok := cutAtSign(foldLetters(address))
	if !ok {
		return local
	}
	return local + "@" + DomainKey(domain)
}

// SameAddress reports whether both are one address by their keys.
func SameAddress(a, b string) bool { return a == b || AddressKey(a) == AddressKey(b) }

// Domain returns the key of the domain of an address, behind its last @; "" when there is none.
func Domain(address string) string {
	_, domain, ok := cutAtSign(AddressKey(address))
	if !ok {
		return ""
	}
	return domain
}

// DomainKey returns the one form under which a domain is known: folded as addresses are, and in
// ASCII ("xn--…"). A domain that has no ASCII form is folded alone.
func DomainKey(domain string) string {
	domain = strings.TrimSpace(domain)
	if plainLetters(domain) && !hasACE(domain) {
		return strings.ToLower(domain)
	}
	folded := foldLetters(inLetters(strings.ToLower(foldLetters(domain))))
	ascii, err := domainForm.ToASCII(folded)
	if err != nil {
		return strings.TrimSpace(folded) // an ASCII form may hide spaces at its ends
	}
	return ascii
}

// GroupKey returns the one form under which a group's name is known: folded as addresses are.
func GroupKey(name string) string { return foldLetters(strings.TrimSpace(name)) }

// GroupSpellings returns the ways in which a directory may have a group of this name: as written,
// and with its letters composed and taken apart.
func GroupSpellings(name string) []string {
	name = strings.TrimSpace(name)
	if plainLetters(name) {
		return []string{name}
	}
	return distinct(name, norm.NFC.String(name), norm.NFD.String(name))
}

// DomainSpellings returns the ways in which a directory may have a domain: in ASCII and in letters.
func DomainSpellings(domain string) []string {
	key := DomainKey(domain)
	letters := inLetters(key)
	return distinct(key, letters, norm.NFD.String(letters))
}

// AddressSpellings returns the ways in which a directory may have an address that has this one's
// key: as written, in lower case, with its letters composed and taken apart, and the domain in
// letters and in ASCII.
func AddressSpellings(address string) []string {
	spellings := []string{address, strings.ToLower(address)}
	if local, domain, ok := cutAtSign(AddressKey(address)); ok && (!plainLetters(address) || hasACE(address)) {
		for _, l := range []string{local, norm.NFD.String(local)} {
			for _, d := range DomainSpellings(domain) {
				if s := l + "@" + d; SameAddress(s, address) { // not every ASCII form has letters behind it
					spellings = append(spellings, s)
				}
			}
		}
	}
	return distinct(spellings...)
}

// distinct returns the texts in their order, each once.
func distinct(texts ...string) []string {
	var out []string
	for _, s := range texts {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// domainForm maps a domain as clients do before they look it up (UTS 46, non-transitional, so that
// ß is kept). It judges nothing: whether a domain may be used is Atlassian's to say.
var domainForm = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
	idna.ValidateLabels(false), idna.CheckHyphens(false), idna.CheckJoiners(false))

// plainLetters reports whether the text is printable ASCII, which has no second spelling but by
// case.
func plainLetters(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// hasACE reports whether a label may be in its ASCII form, which has a second spelling in letters.
func hasACE(s string) bool {
	return strings.Contains(s, "--") && strings.Contains(strings.ToLower(s), "xn--")
}

// foldLetters composes letters, gives them their ordinary width and folds their case by Unicode's
// simple folding.
func foldLetters(s string) string {
	if plainLetters(s) {
		return strings.ToLower(s)
	}
	for { // a folded letter may compose anew
		folded := norm.NFC.String(strings.Map(foldLetter, norm.NFC.String(width.Fold.String(s))))
		if folded == s {
			return s
		}
		s = folded
	}
}

// foldLetter returns the letter that stands for all that differ from r by case alone.
func foldLetter(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r)
	}
	lower, least := unicode.ToLower(unicode.ToUpper(r)), r
	if lower == r {
		return r
	}
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		if other == lower {
			return lower
		}
		least = min(least, other)
	}
	return least
}

// cutAtSign cuts an address at its last @.
func cutAtSign(s string) (local, domain string, found bool) {
	i := strings.LastIndex(s, "@")
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// AccountIDProblem returns what keeps a value from being an account id, "" when nothing does: 1 to
// 128 letters, digits and _ | : - (admin-user-management, path parameter account_id). Nothing more
// can be asked: not every id is a UUID.
func AccountIDProblem(id string) string {
	if len(id) > 128 {
		return "is longer than 128 characters"
	}
	good := 0
	for good < len(id) && letterIs[id[good]]&inAccountID != 0 {
		good++
	}
	for _, c := range id[good:] {
		switch {
		case c < utf8.RuneSelf && letterIs[byte(c)]&inAccountID != 0:
		case strings.Contains(id, "@"):
			return "is an address; put it into a column old_email"
		case unicode.IsSpace(c):
			return "holds a space"
		default:
			return fmt.Sprintf("holds %q", c)
		}
	}
	return ""
}

// What an ASCII letter may stand in.
const (
	inAccountID uint8 = 1 << iota
	inPlainName       // of nearly every address, before the @
	inPlainDomain
)

// letterIs says it of each letter; no other byte stands in any of them.
var letterIs = func() (is [256]uint8) {
	for c := range utf8.RuneSelf {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			is[c] = inAccountID | inPlainName | inPlainDomain
		case c == '-', c == '_':
			is[c] = inAccountID | inPlainName
		case c == '|', c == ':':
			is[c] = inAccountID
		case c == '+':
			is[c] = inPlainName
		}
	}
	return is
}()

// plainAddress reports whether an address is as nearly all are: letters, digits and - _ + between
// single dots, and a domain of letters, digits and hyphens between them. Nothing is wrong with
// such a one; what another one lacks is said by those who look at it closely.
func plainAddress(address string) bool {
	of, dots, before := inPlainName, 0, byte('.') // '.' stands for an edge, too
	for i := 0; i < len(address); i++ {
		c := address[i]
		if letterIs[c]&of != 0 {
			before = c
			continue
		}
		switch {
		case c == '.', c == '@' && of == inPlainName:
			if before == '.' || before == '-' && of == inPlainDomain {
				return false
			}
			dots++
			if c == '@' {
				of, dots, c = inPlainDomain, 0, '.'
			}
		case c != '-' || before == '.': // within a part of the domain
			return false
		}
		before = c
	}
	return of == inPlainDomain && dots > 0 && before != '.' && before != '-' && len(address) <= maxAddress
}

// AddressProblem returns what keeps a value from being an address, "" when nothing does. It asks
// for the shape alone; whether somebody can have the address is Atlassian's to say.
func AddressProblem(address string) string {
	if plainAddress(address) {
		return ""
	}
	return addressProblem(address)
}

func addressProblem(address string) string {
	if len(address) > maxAddress {
		return fmt.Sprintf("is longer than %d characters", maxAddress)
	}
	for _, c := range address {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '@': // nearly all there is
		case unicode.IsSpace(c):
			return "holds a space"
		case c == utf8.RuneError:
			return "holds a character that was lost in an earlier conversion (U+FFFD)"
		case hidden(c):
			return fmt.Sprintf("holds the invisible character %U", c)
		case strings.ContainsRune("<>()[]\",;:\\", c):
			return fmt.Sprintf("holds %q", c)
		}
	}
	if c, at := quoteAtEdge(address); c != 0 {
		return fmt.Sprintf("%s with %q; take it out", at, c)
	}
	local, domain, ok := strings.Cut(address, "@")
	domain = ordinary(domain)
	switch {
	case !ok:
		return "has no @"
	case strings.Contains(domain, "@"):
		return "has more than one @"
	case local == "":
		return "has nothing before the @"
	case !strings.Contains(domain, "."):
		return "has no dot in the domain"
	case strings.HasPrefix(domain, "."), strings.HasSuffix(domain, "."), strings.Contains(domain, ".."):
		return "has a dot too many in the domain"
	}
	return domainProblem(domain)
}

// NewAddressProblem returns what keeps an address from being given to an account, "" when nothing
// does: besides what AddressProblem asks for, the name before the @ must be a dot-atom (RFC 5322)
// and the domain one of letters, digits and hyphens. Addresses that accounts have may break these
// rules; new ones are typing errors.
func NewAddressProblem(address string) string {
	if plainAddress(address) {
		return ""
	}
	return newAddressProblem(address)
}

func newAddressProblem(address string) string {
	if what := addressProblem(address); what != "" {
		return what
	}
	local, domain, _ := strings.Cut(ordinary(address), "@")
	switch {
	case strings.HasPrefix(local, "."):
		return "begins with a dot"
	case strings.HasSuffix(local, "."):
		return "has a dot before the @"
	case strings.Contains(local, ".."):
		return "has two dots in a row"
	}
	if c, _ := utf8.DecodeLastRuneInString(local); quoting(c) {
		return fmt.Sprintf("has %q before the @; take it out", c)
	}
	if strings.Contains(domain, "_") {
		return "holds '_' in the domain"
	}
	for label := range strings.SplitSeq(domain, ".") {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "has a hyphen at the edge of a name in the domain"
		}
	}
	return ""
}

// ordinary returns a text with letters of ordinary width and full stops of every script as dots, as
// domains are read (UTS 46).
func ordinary(s string) string {
	if plainLetters(s) {
		return s
	}
	return strings.ReplaceAll(width.Fold.String(s), "\u3002", ".")
}

// domainProblem returns what keeps the domain of an address from being one, "" when nothing does: it is
// made of letters, digits, hyphens and dots, and there are some with underscores.
func domainProblem(domain string) string {
	for _, c := range domain {
		if !inDomain(c) || strings.ContainsRune("|:", c) || quoting(c) {
			return fmt.Sprintf("holds %q in the domain", c)
		}
	}
	return ""
}

// inDomain reports whether a letter may stand in a domain: what it is looked up as (DomainKey), which may be
// several letters, is made of those that do.
func inDomain(c rune) bool {
	if c < utf8.RuneSelf {
		return c == '.' || c == '-' || letterIs[byte(c)]&inAccountID != 0
	}
	key := DomainKey("a" + string(c) + "a")
	return !strings.Contains(key, "..") && !strings.ContainsFunc(key, func(k rune) bool { return k >= utf8.RuneSelf || !inDomain(k) })
}

// quoteAtEdge finds a letter at the start or the end of an address that marks text and is not part
// of it.
func quoteAtEdge(address string) (letter rune, where string) {
	if c, _ := utf8.DecodeRuneInString(address); quoting(c) {
		return c, "begins"
	}
	if c, _ := utf8.DecodeLastRuneInString(address); quoting(c) {
		return c, "ends"
	}
	return 0, ""
}

// quoting reports whether a letter is a quotation mark of any kind, a backtick, an accent or a prime
// that stands for one, or an asterisk.
func quoting(c rune) bool {
	if c >= '+' && c <= '_' || c >= 'a' && c <= '~' { // nearly all there is: no " ' * or backtick
		return false
	}
	return unicode.In(c, unicode.Quotation_Mark, quoteLike)
}

// quoteLike are the letters that look like quotation marks and are none by their property, and the
// asterisks.
var quoteLike = rangetable.New([]rune("*\u066d\u204e\u2051\u2055\u2217\u2722\u2723\u2724\u2725\u2731\u2732\u2733\u273a\u273b\u273c\u273d" +
	"\ufe61\uff0a" + // asterisks
	"`\u00b4\u02ca\u02cb\u02f4\u0374\u0384\u1fbd\u1fbf\u1fef\u1ffd\u1ffe\uff40" + // accents
	"\u2032\u2033\u2034\u2035\u2036\u2037\u2057" + // primes
	"\u02b9\u02ba\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02dd\u02ee\u02f5\u02f6\ua78b\ua78c\u055a" + // apostrophes
	"\u275b\u275c\u275d\u275e\u275f\u2760")...) // ornaments

// inLetters returns a domain with its labels as people see them, whatever they are sent as
// ("xn--…").
func inLetters(domain string) string {
	letters, err := idna.Punycode.ToUnicode(domain)
	if err != nil {
		return domain // no letters stand behind it
	}
	return letters
}

// inASCII returns a domain as it is sent.
func inASCII(domain string) string {
	ascii, err := idna.Punycode.ToASCII(domain)
	if err != nil {
		return domain
	}
	return ascii
}
