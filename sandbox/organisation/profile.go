package organisation

import (
	"encoding/json"
	"net/http"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Constraints of the profile, from the descriptions of Name and Nickname in the user-management
// file.
const (
	maxName     = 100
	maxNickname = 30
)

// profileJSON is the schema AtlassianAccountUser.
type profileJSON struct {
	AccountID       string              `json:"account_id"`
	AccountType     string              `json:"account_type"`
	AccountStatus   string              `json:"account_status"`
	Name            string              `json:"name"`
	Picture         string              `json:"picture"`
	Nickname        string              `json:"nickname"`
	ZoneInfo        string              `json:"zoneinfo,omitempty"`
	Locale          string              `json:"locale,omitempty"`
	Email           string              `json:"email"`
	ExtendedProfile extendedProfileJSON `json:"extended_profile"`
	Characteristics struct {
		NotMentionable bool `json:"not_mentionable"`
	} `json:"characteristics"`
}

type extendedProfileJSON struct {
	JobTitle     string `json:"job_title,omitempty"`
	Organization string `json:"organization,omitempty"`
	Department   string `json:"department,omitempty"`
	Location     string `json:"location,omitempty"`
}

func profileOf(a Account) answer {
	return success(map[string]profileJSON{"account": {
		AccountID:       a.ID,
		AccountType:     a.Type,
		AccountStatus:   a.Status,
		Name:            a.Name,
		Picture:         picture(a),
		Nickname:        a.Nickname,
		ZoneInfo:        a.TimeZone,
		Locale:          a.Locale,
		Email:           a.Email,
		ExtendedProfile: extendedProfileJSON(a.Profile),
	}})
}

func picture(a Account) string { return "https://avatars.example.com/" + a.ID }

// getProfile is GET /users/{account_id}/manage/profile. It may lag behind.
func (o *Organisation) getProfile(x *exchange) answer {
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	if missing := o.faults.Missing; missing != nil && found.changedWithin(missing(found.ID)) {
		return keyed(http.StatusNotFound, "accountNotFound")
	}
	if !found.rule("profile.read").Allowed {
		return keyed(http.StatusForbidden, "forbidden")
	}
	return profileOf(found.seen(x.lag))
}

// patchProfile is PATCH /users/{account_id}/manage/profile. What null means is not documented: it
// is refused.
func (o *Organisation) patchProfile(x *exchange) answer {
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	fields, err := flatten(x.body)
	if err != nil {
		return keyed(http.StatusBadRequest, "bodyParseFailure")
	}
	next := found.Account
	denied := make(map[string]ruleJSON)
	var broken []fieldViolation
	for _, name := range profileFields {
		raw, given := fields[name]
		delete(fields, name)
		if !given {
			continue
		}
		var value *string
		if json.Unmarshal(raw, &value) != nil || value == nil {
			return keyed(http.StatusBadRequest, "bodyParseFailure")
		}
		if key := brokenRule(name, *value); key != "" {
			broken = append(broken, fieldViolation{Field: name, Violations: []reasonJSON{{Key: key}}})
		}
		if rule := found.fieldRule(name); !rule.Allowed {
			denied[name] = rule
		}
		*next.field(name) = *value
	}
	for name := range fields {
		o.violate("%s %s: unknown field %q", x.call.Method, x.call.Path, name)
	}
	if len(broken) > 0 {
		return constraints(broken...)
	}
	if len(denied) > 0 {
		return answer{
			status: http.StatusForbidden,
			body:   keyError{Key: "forbidden.fieldMutation", Context: denied},
		}
	}
	done := Effect{AccountID: found.ID, Kind: "profile"}
	if next.Name != found.Name {
		done = Effect{AccountID: found.ID, Kind: "name", From: found.Name, To: next.Name}
	}
	o.change(found, func(a *Account) { *a = next })
	o.effect(done)
	return profileOf(next)
}

// flatten reads the body of a profile change; the fields of extended_profile come under their
// dotted names.
func flatten(body []byte) (map[string]json.RawMessage, error) {
	fields, err := object(body)
	if err != nil {
		return nil, err
	}
	if raw, given := fields["extended_profile"]; given {
		delete(fields, "extended_profile")
		inner, err := object(raw)
		if err != nil {
			return nil, err
		}
		for name, value := range inner {
			fields["extended_profile."+name] = value
		}
	}
	return fields, nil
}

// field returns the account's own field of that name in profile.write, or nil.
func (a *Account) field(name string) *string {
	return map[string]*string{
		"name":                          &a.Name,
		"nickname":                      &a.Nickname,
		"zoneinfo":                      &a.TimeZone,
		"locale":                        &a.Locale,
		"extended_profile.job_title":    &a.Profile.JobTitle,
		"extended_profile.organization": &a.Profile.Organization,
		"extended_profile.department":   &a.Profile.Department,
		"extended_profile.location":     &a.Profile.Location,
	}[name]
}

// brokenRule returns the key of the constraint that a value breaks, or nothing.
func brokenRule(field, value string) string {
	most := map[string]int{"name": maxName, "nickname": maxNickname}[field]
	switch {
	case most > 0 && utf8.RuneCountInString(value) > most:
		return "maxLength"
	case most > 0 && (value == "" || slices.ContainsFunc([]rune(value), unicode.IsControl)):
		return "validCharacters"
	}
	return ""
}

// fieldViolation is one entry of context.fieldViolations in 400 fieldConstraintsViolated.
type fieldViolation struct {
	Field      string       `json:"field"`
	Violations []reasonJSON `json:"violations"`
}

func constraints(broken ...fieldViolation) answer {
	return answer{
		status: http.StatusBadRequest,
		body: keyError{
			Key:     "fieldConstraintsViolated",
			Context: map[string][]fieldViolation{"fieldViolations": broken},
		},
	}
}
