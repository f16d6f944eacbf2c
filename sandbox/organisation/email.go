package organisation

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAddressPart is the most letters of the user part and of any sub-domain, from the description
// of Email in the user-management file.
const maxAddressPart = 255

// putEmail is PUT /users/{account_id}/manage/email: 204, no verification mail, every session of the
// account is ended. The order of the checks is not documented: the body, the account, its lock, the
// domain, the holder.
func (o *Organisation) putEmail(x *exchange) answer {
	fields, err := object(x.body)
	if err != nil {
		return keyed(http.StatusBadRequest, "bodyParseFailure")
	}
	var address *string
	if raw, given := fields["email"]; !given || json.Unmarshal(raw, &address) != nil || address == nil {
		return keyed(http.StatusBadRequest, "bodyParseFailure")
	}
	for name := range fields {
		if name != "email" {
			o.violate("%s %s: unknown field %q", x.call.Method, x.call.Path, name)
		}
	}
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	if key := brokenAddress(*address); key != "" {
		return constraints(fieldViolation{Field: "email", Violations: []reasonJSON{{Key: key}}})
	}
	if refused, no := found.mayNot("email.set"); no {
		return refused
	}
	if name := domainOf(*address); !o.verified(name) {
		return answer{
			status: http.StatusForbidden,
			body:   keyError{Key: "forbidden.unclaimedDomain", Context: map[string]string{"domain": name}},
		}
	}
	// Its own address in another case is not a collision.
	if holder, taken := o.holders[addressKey(*address)]; taken && holder != found.ID {
		return keyed(cmp.Or(o.collision.Status, http.StatusBadRequest), cmp.Or(o.collision.Key, "emailAlreadyInUse"))
	}
	done := Effect{AccountID: found.ID, Kind: "email", From: found.Email, To: *address}
	o.change(found, func(a *Account) { a.Email = *address })
	o.effect(done)
	return noContent()
}

// brokenAddress returns the key of the constraint that an address breaks, or nothing. The documents
// name only control characters; what is no address at all is refused under the same key.
func brokenAddress(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "validCharacters"
	}
	parts := append(strings.Split(address[at+1:], "."), address[:at])
	for _, part := range parts {
		if part == "" || slices.ContainsFunc([]rune(part), odd) {
			return "validCharacters"
		}
		if utf8.RuneCountInString(part) > maxAddressPart {
			return "partMaxLength"
		}
	}
	return ""
}

func odd(letter rune) bool { return unicode.IsControl(letter) || unicode.IsSpace(letter) }
