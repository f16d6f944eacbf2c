package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// findTime is how long somebody waits for an answer to find.
const findTime = 10 * time.Second

// findLimit is how many accounts a search shows; more would not be read.
const findLimit = 10

// Find looks for accounts: by address when the text is one, by id when such an account exists, else
// by a piece of name or address.
func (e *Engine) Find(ctx context.Context, text string) ([]workflow.Found, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, findTime, fmt.Errorf("%w within %s", workflow.ErrUnavailable, findTime))
	defer cancel()
	found, err := e.find(ctx, text)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return found, err
}

func (e *Engine) find(ctx context.Context, text string) ([]workflow.Found, error) {
	accounts, err := e.findAccounts(ctx, strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	if len(accounts) > findLimit {
		accounts = accounts[:findLimit]
	}
	out := make([]workflow.Found, len(accounts))
	asking, bounded := errgroup.WithContext(ctx)
	for i, a := range accounts {
		out[i].Account = a
		asking.Go(func() (err error) {
			out[i], err = e.found(bounded, a)
			return err
		})
	}
	var details map[string]workflow.Detail
	asking.Go(func() (err error) {
		details, err = e.details(bounded, accounts)
		return err
	})
	if err := asking.Wait(); err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	for i, a := range accounts {
		if d, known := details[a.ID]; known {
			out[i].Detail = &d
		}
	}
	return out, nil
}

// SearchAccounts finds accounts by a piece of name or address, at most so many, and nothing else about
// them.
func (e *Engine) SearchAccounts(ctx context.Context, text string, limit int) ([]workflow.Account, error) {
	accounts, err := e.cfg.Directory.Search(ctx, strings.TrimSpace(text), limit)
	if err != nil {
		return nil, fmt.Errorf("search accounts: %w", err)
	}
	return accounts, nil
}

// details are what searches tell of the accounts beside themselves: of all of them in one call.
func (e *Engine) details(ctx context.Context, accounts []workflow.Account) (map[string]workflow.Detail, error) {
	if e.cfg.Lookups == nil || len(accounts) == 0 {
		return nil, nil
	}
	ids := make([]string, len(accounts))
	for i, a := range accounts {
		ids[i] = a.ID
	}
	details, err := e.cfg.Lookups.Details(ctx, ids)
	if errors.As(err, new(*workflow.Refusal)) {
		return nil, nil // what the search does not tell must not hide the accounts
	}
	return details, err
}

// groupsFound is how many groups a search shows; more would not be read.
const groupsFound = 20

// FindGroups looks for groups by a piece of their name, all for "". more reports whether there are
// others beside those that are returned.
func (e *Engine) FindGroups(ctx context.Context, text string) (groups []workflow.FoundGroup, more bool, err error) {
	if e.cfg.Lookups == nil {
		return nil, false, errors.New("nobody looks for groups")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, findTime, fmt.Errorf("%w within %s", workflow.ErrUnavailable, findTime))
	defer cancel()
	groups, more, err = e.cfg.Lookups.SearchGroups(ctx, strings.TrimSpace(text), groupsFound)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return groups, more, err
}

func (e *Engine) findAccounts(ctx context.Context, text string) ([]workflow.Account, error) {
	if strings.Contains(text, "@") {
		found, err := e.cfg.Directory.ByAddress(ctx, []string{text})
		accounts := found[workflow.AddressKey(text)]
		if unshown, some := errors.AsType[*workflow.Unshown](err); some && unshown.Holders[workflow.AddressKey(text)] != "" {
			hidden := workflow.Account{ID: unshown.Holders[workflow.AddressKey(text)]}
			if a, err := workflow.ReadAccount(ctx, e.cfg.Directory, hidden.ID); err == nil {
				hidden = a
			}
			return append(slices.Clone(accounts), hidden), nil
		}
		if err != nil || len(found) > 0 {
			return accounts, err
		}
	} else if text != "" && workflow.AccountIDProblem(text) == "" {
		a, err := workflow.ReadAccount(ctx, e.cfg.Directory, text)
		if err == nil {
			return []workflow.Account{a}, nil
		}
		if refusal := (*workflow.Refusal)(nil); !errors.Is(err, workflow.ErrNotFound) && !errors.As(err, &refusal) {
			return nil, err
		}
	}
	return e.cfg.Directory.Search(ctx, text, findLimit)
}

func (e *Engine) found(ctx context.Context, a workflow.Account) (workflow.Found, error) {
	f := workflow.Found{Account: a}
	held, err := e.store.Held(ctx, accountKeys(a.ID))
	if err != nil {
		return f, err
	}
	for _, key := range accountKeys(a.ID) { // the first of them, should it belong to several
		if h, taken := held[key]; taken && (f.Held == 0 || h.Batch < f.Held) {
			f.Held = h.Batch
		}
	}
	if !a.Managed {
		return f, nil
	}
	if f.Barred = e.cfg.Policy.Bars(a); f.Barred.Code != "" {
		return f, nil
	}
	// What each action would read of the account to judge it; all at once.
	var facts []workflow.Fact
	row := workflow.Row{Values: workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnEmail, a.Email)}
	known := &action.Facts{Account: a, Known: action.NewKnown()}
	for _, action := range action.Catalogue() {
		for _, fact := range action.Reads(&row, known) {
			if fact.Kind == workflow.KindManage && !slices.Contains(facts, fact) {
				facts = append(facts, fact)
			}
		}
	}
	answers, err := e.cfg.Directory.Read(ctx, facts...)
	if errors.Is(err, workflow.ErrNotFound) || errors.As(err, new(*workflow.Refusal)) {
		return f, nil // what nobody tells us of this one account must not hide the others
	}
	if err != nil {
		return f, err
	}
	f.Privileges = map[workflow.ActionName]workflow.Privilege{}
	for _, action := range action.Catalogue() {
		for _, fact := range action.Reads(&row, known) {
			if fact.Kind == workflow.KindManage {
				f.Privileges[action.Name] = answers.Allowed(fact, action.Field)
			}
		}
	}
	return f, nil
}

// accountKeys are the keys of an account that do not name another thing beside it.
func accountKeys(id string) []string {
	return []string{"email:" + id, "name:" + id, "status:" + id, "tokens:" + id}
}

// Domains lists the organisation's domains.
func (e *Engine) Domains(ctx context.Context) ([]workflow.DomainClaim, error) {
	return e.cfg.Directory.Domains(ctx)
}
