package organisation

import "net/http"

// Token is an API token of an account, as its owner made it.
type Token struct {
	ID         string // unique within the account
	Label      string
	CreatedAt  string // RFC 3339
	LastAccess string // RFC 3339; empty: never used, and the field is absent
	Expiry     string // RFC 3339; empty: absent
}

// tokenJSON is the schema ApiTokenModel.
type tokenJSON struct {
	ID         string `json:"id"`
	Label      string `json:"label"`
	CreatedAt  string `json:"createdAt"`
	LastAccess string `json:"lastAccess,omitempty"`
	Expiry     string `json:"expiry,omitempty"`
}

// getTokens is GET /users/{account_id}/manage/api-tokens: a bare array without pages. Deactivation
// leaves tokens in place (JAC-AX-684).
func (o *Organisation) getTokens(x *exchange) answer {
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	if refused, no := found.mayNot("apiToken.read"); no {
		return refused
	}
	shown := []tokenJSON{}
	for _, each := range found.seen(x.lag).Tokens {
		shown = append(shown, tokenJSON(each))
	}
	return success(shown)
}

// deleteToken is DELETE /users/{account_id}/manage/api-tokens/{tokenId}.
func (o *Organisation) deleteToken(x *exchange) answer {
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	if refused, no := found.mayNot("apiToken.delete"); no {
		return refused
	}
	for i, each := range found.Tokens {
		if each.ID != x.path[1] {
			continue
		}
		o.change(found, func(a *Account) { a.Tokens = append(a.Tokens[:i:i], a.Tokens[i+1:]...) })
		o.effect(Effect{AccountID: found.ID, Kind: "token", From: each.ID})
		return noContent()
	}
	return keyed(http.StatusNotFound, "notFound")
}
