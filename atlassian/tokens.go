package atlassian

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Token is an API token of an account (user management API, schema ApiTokenModel).
type Token struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

// tokensAnswer is the list of an account's tokens: a bare array without pages.
type tokensAnswer struct{ tokens []Token }

func (a *tokensAnswer) UnmarshalJSON(raw []byte) error { return json.Unmarshal(raw, &a.tokens) }

func (a *tokensAnswer) missing() string {
	if a.tokens == nil {
		return "there is no list"
	}
	for _, t := range a.tokens {
		if what := lacks("id", t.ID); what != "" {
			return what
		}
	}
	return ""
}

// Tokens lists the API tokens of a managed account, within the small budget of a check (user
// management API, GET api-tokens). Those of a deactivated account are in it, too (JAC-AX-684).
// Errors: KindNotFound for an account that the organisation does not manage.
func (c *Client) Tokens(ctx context.Context, id string) ([]Token, error) {
	path, err := managePath(opTokens, id, "/api-tokens")
	if err != nil {
		return nil, err
	}
	var answer tokensAnswer
	call := request{operation: opTokens, method: http.MethodGet, path: path, account: id}
	if err := read(ctx, c.admin, call, checkBudget, &answer); err != nil {
		return nil, err
	}
	return answer.tokens, nil
}

// RevokeToken deletes an API token of a managed account (user management API, DELETE api-tokens;
// success is 204). Errors: KindNotFound where there is no such token, or with the key accountNotFound
// no such account.
func (c *Client) RevokeToken(ctx context.Context, id, token string) error {
	return c.manage(ctx, opRevokeToken, http.MethodDelete, id, "/api-tokens/"+url.PathEscape(token), nil)
}
