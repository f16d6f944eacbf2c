package atlassian

import (
	"context"
	"errors"
	"net/http"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// readLifecycle reads an account where a deletion shows.
func readLifecycle(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	u, err := c.directoryUser(ctx, allDirectories, facts[0].AccountID, checkBudget)
	if err != nil {
		return nil, err
	}
	if u.AccountStatus == "" && u.Status == "" {
		return nil, &Error{Operation: opUser, Status: http.StatusOK, Kind: KindIncomplete, details: "there is no accountStatus"}
	}
	v := workflow.Of(workflow.FieldEmail, u.Email).With(workflow.FieldName, u.Name).With(workflow.FieldStatus, string(statusOf(u)))
	return workflow.Answers{facts[0]: {v}}, nil
}

func callDelete(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.Delete(ctx, call.AccountID)
}

func callCancelDelete(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.CancelDelete(ctx, call.AccountID)
}

func readTokens(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	tokens, err := c.Tokens(ctx, facts[0].AccountID)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(tokens))
	for i, t := range tokens {
		ids[i] = t.ID
	}
	return workflow.Answers{facts[0]: action.TokenValues(ids)}, nil
}

// accountNotFound is the key of a 404 about the account itself.
const accountNotFound = "accountNotFound"

func callRevokeToken(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	err := c.RevokeToken(ctx, call.AccountID, call.Args.Get(workflow.FieldID))
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == KindNotFound && e.Key != accountNotFound {
		return nil, nil // somebody was faster
	}
	return nil, err
}
