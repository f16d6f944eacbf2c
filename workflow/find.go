package workflow

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// findTime is how long somebody waits for an answer to find.
const findTime = 10 * time.Second

// findLimit is how many accounts a search shows; more would not be read.
const findLimit = 10

// Found is an account that somebody looked for, and what may be done to it.
type Found struct {
	Account    Account
	Privileges map[ActionName]Privilege // of the actions that are built; nil when it is not managed
	Held       int64                    // the open batch that it belongs to, 0 when none
	// Barred is why no batch may touch it, whatever Atlassian allows; the zero Reason when nothing that is known of it says so.
	Barred Reason
}

// accountID is the form of an account id (user management API: AccountId).
var accountID = regexp.MustCompile(`^[a-zA-Z0-9_|:-]{1,128}$`)

// Find looks for accounts: by address when the text is one, by id when such an account exists, else by a piece of name or
// address.
func (e *Engine) Find(ctx context.Context, text string) ([]Found, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, findTime, fmt.Errorf("%w within %s", ErrUnavailable, findTime))
	defer cancel()
	found, err := e.find(ctx, text)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return found, err
}

func (e *Engine) find(ctx context.Context, text string) ([]Found, error) {
	accounts, err := e.findAccounts(ctx, strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	if len(accounts) > findLimit {
		accounts = accounts[:findLimit]
	}
	out := make([]Found, len(accounts))
	for i, a := range accounts {
		if out[i], err = e.found(ctx, a); err != nil {
			return nil, fmt.Errorf("find accounts: %w", err)
		}
	}
	return out, nil
}

func (e *Engine) findAccounts(ctx context.Context, text string) ([]Account, error) {
	if strings.Contains(text, "@") {
		found, err := e.cfg.Directory.ByAddress(ctx, []string{text})
		if err != nil || len(found) > 0 {
			return found[AddressKey(text)], err
		}
	} else if accountID.MatchString(text) {
		a, err := e.cfg.Directory.Account(ctx, text)
		if err == nil {
			return []Account{a}, nil
		}
		if refusal := (*Refusal)(nil); !errors.Is(err, ErrNotFound) && !errors.As(err, &refusal) {
			return nil, err
		}
	}
	return e.cfg.Directory.Search(ctx, text, findLimit)
}

func (e *Engine) found(ctx context.Context, a Account) (Found, error) {
	f := Found{Account: a}
	key := "account:" + a.ID
	held, err := e.store.Held(ctx, []string{key})
	if err != nil {
		return f, err
	}
	f.Held = held[key].Batch
	if !a.Managed {
		return f, nil
	}
	if f.Barred = e.cfg.Policy.bars(a); f.Barred.Code != "" {
		return f, nil
	}
	var keys []string
	for _, action := range actions {
		keys = append(keys, action.Privilege)
	}
	answer, err := e.cfg.Directory.Privileges(ctx, a.ID, keys...)
	if errors.Is(err, ErrNotFound) || errors.As(err, new(*Refusal)) {
		return f, nil // what nobody tells us of this one account must not hide the others
	}
	if err != nil {
		return f, err
	}
	f.Privileges = map[ActionName]Privilege{}
	for _, action := range actions {
		f.Privileges[action.Name] = answer[action.Privilege]
	}
	return f, nil
}

// Domains lists the organisation's domains.
func (e *Engine) Domains(ctx context.Context) ([]DomainClaim, error) {
	return e.cfg.Directory.Domains(ctx)
}
