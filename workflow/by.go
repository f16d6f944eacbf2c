package workflow

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ByKind is the kind of who brought something about.
type ByKind string

// The kinds. "" is nobody that is known.
const (
	ByBatch    ByKind = "batch"
	ByPerson   ByKind = "person"
	ByKey      ByKind = "key"               // an API key, or another token with a label
	ByProvider ByKind = "identity provider" // that says so itself
	ByApp      ByKind = "app"               // a program that has no key of the organisation
	ByOther    ByKind = "other"             // a kind of actor that is not known
)

// By is who brought a difference about, as far as it is known: the zero By is "not by countersign".
type By struct {
	Kind      ByKind
	Batch     int64  // of ByBatch
	Requester Person // of ByBatch
	Name      string // of the others: as the log shows it, or what it shows in its place
	Own       bool   // a key of ours, and no batch that did it
}

// NotByUs is how the zero By reads.
const NotByUs = "not by countersign"

// Known reports whether anybody is known.
func (b By) Known() bool { return b.Kind != "" }

// String returns how files and messages name it. A name is from outside: whoever shows it makes it
// harmless.
func (b By) String() string {
	switch b.Kind {
	case "":
		return NotByUs
	case ByBatch:
		return fmt.Sprintf("#%d", b.Batch)
	case ByProvider:
		return string(ByProvider)
	case ByKey:
		if b.Own {
			return "key: " + b.Name + " (ours, no batch)"
		}
		return "key: " + b.Name
	case ByOther:
		return "actor: " + b.Name
	default:
		return string(b.Kind) + ": " + b.Name
	}
}

// How authentication is called (organizations API, schema EventActorModel, auth.authType).
var (
	keyAuths = []string{"container-token", "api-token"}
	appAuths = []string{"connect-token", "auth-token-for-2LO", "auth-token-for-3LO"}
)

// accountIDs is what the ids of people look like: 24 letters, or a number, a colon and a UUID.
var accountIDs = regexp.MustCompile(`^([0-9a-z]{24}|[0-9]+:[0-9a-zA-Z_-]+)$`)

// by returns who the actor of an event is. What the log does not say is not guessed: whoever is no
// person, key, app or identity provider by its own account is another kind, by name.
func (a LogActor) by(own Keys) By {
	name := cmp.Or(a.Name, a.Email, a.ID, a.AppID, "unknown")
	switch {
	case a.TokenID != "" || a.TokenLabel != "" || slices.Contains(keyAuths, a.Auth):
		return By{Kind: ByKey, Name: own.label(a.TokenID, a.TokenLabel, name), Own: own.have(a.TokenID)}
	case saysProvider(a.AppType) || saysProvider(a.AppID) || saysProvider(a.Auth):
		return By{Kind: ByProvider, Name: name}
	case a.AppID != "" || slices.Contains(appAuths, a.Auth):
		return By{Kind: ByApp, Name: name}
	case a.Auth != "":
		return By{Kind: ByOther, Name: name}
	case a.Email != "" || accountIDs.MatchString(a.ID):
		return By{Kind: ByPerson, Name: name}
	default:
		return By{Kind: ByOther, Name: name}
	}
}

// saysProvider reports whether a technical name of an actor says that it is an identity provider.
func saysProvider(technical string) bool {
	words := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r == '/' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(technical))
	for _, says := range []string{"identityprovider", "userprovisioning", "scim", "idpsync"} {
		if strings.Contains(words, says) {
			return true
		}
	}
	return false
}

// Keys are the API keys that were learned to be ours: token id → label.
type Keys map[string]string

func (k Keys) have(token string) bool {
	_, own := k[token]
	return own && token != ""
}

// label returns what a key is called: by its label, with its id where one of ours has the same.
func (k Keys) label(token, label, otherwise string) string {
	if label == "" {
		return cmp.Or(token, otherwise)
	}
	if !k.have(token) {
		for _, ours := range k {
			if ours == label {
				return fmt.Sprintf("%s (%s)", label, cmp.Or(token, "another one"))
			}
		}
	}
	return label
}
