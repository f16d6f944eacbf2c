package action

import (
	"context"
	"slices"
	"strconv"

	"github.com/countersign/countersign/workflow"
)

// OpRevokeToken deletes the API token FieldID of an account (user management API, DELETE
// api-tokens). One that is gone already is no error.
const OpRevokeToken workflow.Operation = "revoke-token"

// The rights to see an account's API tokens and to delete them.
const (
	privilegeTokenRead   = "apiToken.read"
	privilegeTokenDelete = "apiToken.delete"
)

// KindTokens are the API tokens of an account: FieldTokens with their number first, then FieldID of
// each.
const KindTokens workflow.FactKind = "tokens"

// Tokens asks which API tokens an account has.
func Tokens(id string) workflow.Fact {
	return workflow.Fact{Kind: KindTokens, AccountID: id, Endpoint: workflow.Endpoint{Place: workflow.PlaceAccount}}
}

// TokenValues returns API tokens, by their ids, as the answer to a fact.
func TokenValues(ids []string) []workflow.Values {
	out := []workflow.Values{workflow.Of(workflow.FieldTokens, strconv.Itoa(len(ids)))}
	for _, id := range ids {
		out = append(out, workflow.Of(workflow.FieldID, id))
	}
	return out
}

// tokenIDs are the API tokens of an answer.
func tokenIDs(answer []workflow.Values) []string {
	var out []string
	for _, v := range answer {
		if id := v.Get(workflow.FieldID); id != "" {
			out = append(out, id)
		}
	}
	return out
}

// noTokens is what FieldTokens is when none is left.
const noTokens = "0"

// revokeRounds is how often the list is gone through: tokens that are made meanwhile are found by
// the next round.
const revokeRounds = 3

var revokeTokens = Action{
	Name:  workflow.RevokeTokens,
	Usage: "revoke-tokens <user>…",
	Help:  "delete their API tokens; nothing brings them back",
	Title: Title{
		Does: "Revoke the API tokens of {who}", Done: "Revoked the API tokens of {who}",
		One: "account without API tokens", More: "accounts without API tokens",
	},
	Becomes: becomes("without API tokens"),
	Subject: workflow.Subject{Managed: true, Hidden: true},
	Locks:   true,
	Reads: func(_ *workflow.Row, f *Facts) []workflow.Fact {
		out := []workflow.Fact{
			workflow.Manage(f.Account.ID, privilegeTokenRead), workflow.Manage(f.Account.ID, privilegeTokenDelete),
		}
		if f.Answers.Allowed(out[0], "").Allowed {
			out = append(out, Tokens(f.Account.ID))
		}
		return out
	},
	Check: func(_ *workflow.Row, f *Facts) Finding {
		if tokens, known := f.Answers[Tokens(f.Account.ID)]; known && len(tokenIDs(tokens)) == 0 {
			return Unchanged(workflow.ReasonAlready, FieldWords(workflow.FieldTokens, noTokens))
		}
		for _, privilege := range []string{privilegeTokenRead, privilegeTokenDelete} {
			if found := allowed(workflow.RevokeTokens, workflow.Manage(f.Account.ID, privilege), "", f); found.State != workflow.ChangeReady {
				return found
			}
		}
		return Ready()
	},
	Steps: func(_ *workflow.Row, f *Facts) []workflow.Step { return []workflow.Step{revokeStep(f)} },
	Do:    revoke,
	Effects: func(d *Draft) []workflow.Effect {
		return []workflow.Effect{tokensLost(&d.Facts), workflow.EffectFinal}
	},
	Cost: Cost{
		Calls: map[workflow.Operation]int{OpRevokeToken: 2},
		Reads: map[workflow.FactKind]int{workflow.KindProfile: 1, KindTokens: 2},
	},
	Aim: Aim{Check: 3, Run: 5},
	Example: func(a workflow.Account, _ Surroundings) workflow.RowValues {
		return workflow.Of(workflow.ColumnAccountID, a.ID)
	},
}

// revokeStep deletes every token that there is when it is made. That the account is active is no
// condition of it, nor how many tokens there are.
func revokeStep(f *Facts) workflow.Step {
	return workflow.Step{
		Action: workflow.RevokeTokens, Place: workflow.PlaceAccount, AccountID: f.Account.ID,
		Expect: workflow.Of(workflow.FieldEmail, f.Account.Email), Set: workflow.Of(workflow.FieldTokens, noTokens),
	}
}

// tokensLost is the effect of deleting the tokens that the check has found.
func tokensLost(f *Facts) workflow.Effect {
	return workflow.EffectTokensLost.Times(len(tokenIDs(f.Answers[Tokens(f.Account.ID)])))
}

// revoke deletes the tokens one by one. One that the list goes on showing is left to the proof: it
// is gone, and shows late.
func revoke(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
	var gone []string
	for range revokeRounds {
		answers, err := c.Read(ctx, Tokens(s.AccountID))
		if err != nil {
			return nil, behind(gone, err)
		}
		ids := slices.DeleteFunc(tokenIDs(answers[Tokens(s.AccountID)]), func(id string) bool { return slices.Contains(gone, id) })
		if len(ids) == 0 {
			return nil, nil
		}
		for _, id := range ids {
			if _, err := c.Call(ctx, workflow.Call{
				Endpoint: s.Endpoint(), Operation: OpRevokeToken, Action: s.Action, AccountID: s.AccountID,
				Args: workflow.Of(workflow.FieldID, id),
			}); err != nil {
				return nil, err
			}
			gone = append(gone, id)
		}
	}
	return nil, nil
}

// behind is what a reading that failed means for the step: nothing where tokens were deleted before it. They
// are, and the proof reads the list again.
func behind(gone []string, err error) error {
	if len(gone) > 0 {
		return nil
	}
	return err
}
