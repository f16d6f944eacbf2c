package workflow

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// DomainMove asks for every managed account with an address on one domain to get an address on
// another one. It has no rows of its own: they are found in the directory when it is planned, and
// stored then.
type DomainMove struct {
	Old string `json:"old"` // domains, without @
	New string `json:"new"`

	Group   string     `json:"group,omitempty"`    // only its members; as people name it, "" for everybody
	GroupID string     `json:"group_id,omitempty"` // what Group was found to mean
	Names   bool       `json:"names,omitempty"`    // first.last, from the display name, in place of the local part
	Except  []Excepted `json:"except,omitempty"`   // accounts that are left out
}

// Excepted is an account that a move leaves out, as the line of a file names it: by id, by address,
// or by both, of which either counts.
type Excepted struct {
	Line      int    `json:"line"`
	AccountID string `json:"id,omitempty"`
	Email     string `json:"email,omitempty"`
}

// plainLetterNames are the letters that have no mark to be taken off, in ASCII as passports write
// them.
var plainLetterNames = strings.NewReplacer(
	"ß", "ss", "ẞ", "ss", "æ", "ae", "Æ", "ae", "œ", "oe", "Œ", "oe", "ø", "o", "Ø", "o", "ł", "l", "Ł", "l", "đ", "d", "Đ", "d",
	"ð", "d", "Ð", "d", "þ", "th", "Þ", "th", "ı", "i", "ŋ", "n", "Ŋ", "n", "ħ", "h", "Ħ", "h",
)

// FirstLast returns the local part of an address that a display name gives: its first and its last
// word with a dot between them, in ASCII, without marks on letters; "Lang, Ada" is Ada Lang, and
// what stands in brackets is no name. problem is a clause that follows "it" where there is none, as
// for a name of one word, or in letters that have no ASCII form.
func FirstLast(name string) (local, problem string) {
	plain := norm.NFKD.String(plainLetterNames.Replace(outsideBrackets(name)))
	if last, first, comma := strings.Cut(plain, ","); comma {
		plain = first + " " + last
	}
	var words []string
	for word := range strings.FieldsSeq(plain) {
		part, foreign := plainWord(word)
		if foreign != 0 {
			return "", "holds " + QuoteCell(string(foreign)) + ", which has no ASCII form"
		}
		if part != "" {
			words = append(words, part)
		}
	}
	if len(words) < 2 {
		return "", "is no first and last name"
	}
	return words[0] + "." + words[len(words)-1], ""
}

// outsideBrackets returns a name without what stands in brackets.
func outsideBrackets(name string) string {
	depth := 0
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("([", r):
			depth++
			return ' '
		case strings.ContainsRune(")]", r) && depth > 0:
			depth--
			return ' '
		case depth > 0:
			return -1
		}
		return r
	}, name)
}

// plainWord returns a word in lower ASCII letters, digits and hyphens within; foreign is the first
// letter of it that is none and cannot be left out.
func plainWord(word string) (plain string, foreign rune) {
	var out strings.Builder
	for _, r := range word {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			out.WriteRune(r)
		case r >= 'A' && r <= 'Z':
			out.WriteRune(unicode.ToLower(r))
		case unicode.Is(unicode.Pd, r):
			out.WriteByte('-')
		case unicode.Is(unicode.Mn, r), unicode.IsPunct(r), unicode.IsSymbol(r), Invisible(r):
		default:
			return "", r
		}
	}
	return strings.Trim(out.String(), "-"), 0
}

// Owner is who decides about a field of an account.
type Owner string

// The owners.
const (
	OwnerOrganisation Owner = "organisation"
	OwnerSCIM         Owner = "SCIM"
	OwnerGoogle       Owner = "Google Workspace"
	OwnerSAML         Owner = "SAML"
	OwnerPerson       Owner = "person"
	OwnerAtlassian    Owner = "Atlassian"
)

// OwnerOf returns who decides about what a privilege is for, by the key that refuses it ("" for one
// that is ours). A key that is not known is Atlassian's (user management API, GET manage).
func OwnerOf(key string) Owner {
	switch key {
	case "":
		return OwnerOrganisation
	case "externalDirectory.scim":
		return OwnerSCIM
	case "externalDirectory.google":
		return OwnerGoogle
	case "authPolicy.saml":
		return OwnerSAML
	case "myselfOnly":
		return OwnerPerson
	default:
		return OwnerAtlassian
	}
}

// IdentityProvider reports whether the owner is an identity provider, whose team alone can make the
// change.
func (o Owner) IdentityProvider() bool { return o == OwnerSCIM || o == OwnerGoogle || o == OwnerSAML }
