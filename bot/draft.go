package bot

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// drafted opens the form with what a report or a comparison found, for the person who pressed alone. It
// is no request: that takes their own words.
func (b *Bot) drafted(ctx context.Context, p press, by sender) {
	of, ok := view.ParseDraft(p.Value)
	if !ok || b.cfg.Results == nil {
		b.foreign(ctx, p.Action, by)
		return
	}
	b.openDraft(ctx, p.trigger(), by, view.DraftingWords, func(ctx context.Context) (drafting, error) {
		found, err := b.draftOf(ctx, of, by.Person)
		if err == nil && len(found.accounts) == 0 {
			err = view.ErrNothingToDraft
		}
		if err != nil {
			return drafting{}, err
		}
		b.log.Info().Str("person", by.Person).Str("of", found.of).Int("accounts", len(found.accounts)).Msg("drafted a request")
		d := accountsDraft("From "+found.of+". Suspend takes product access away, deactivate blocks the login.",
			workflow.Suspend, found.accounts)
		d.draft.Author, d.draft.Report = found.author, of.Run
		if len(d.rows) > 0 {
			content, err := draftCSV(found.accounts)
			if err != nil {
				return drafting{}, err
			}
			d.file, d.csv = found.file, slackapi.Bytes(content)
		}
		return d, nil
	})
}

// draft is of which accounts a request may be made.
type draft struct {
	of       string // what it was made of
	file     string // how its file is called
	author   string // who counts as its author beside the person who pressed; "" for none
	accounts []workflow.Account
}

// draftOf finds the accounts of a draft as of now, for the person who pressed.
func (b *Bot) draftOf(ctx context.Context, of view.DraftOf, person string) (draft, error) {
	if of.Run > 0 {
		result, accounts, err := b.cfg.Results.Draft(ctx, of.Run)
		return draft{of: result.Report + " of " + result.Date, file: view.DraftFile(result), accounts: accounts}, err
	}
	if age := time.Since(of.At); age > draftFor {
		return draft{}, view.ErrDraftOld
	}
	list, err := b.cfg.Store.ComparedList(ctx, of.Compare)
	if err != nil {
		return draft{}, fmt.Errorf("list of comparison %d: %w", of.Compare, err)
	}
	author, err := listAuthor(list, person)
	if err != nil {
		return draft{}, err
	}
	c, err := b.compared(ctx, list.Content)
	if err != nil {
		return draft{}, err
	}
	return draft{
		of: fmt.Sprintf("comparison %d", of.Compare), file: view.CompareDraftFile(of.Compare), author: author, accounts: c.Drafts(),
	}, nil
}

// listAuthor is the author of a request that a person makes of a compared list. Who posted it counts as
// much as who uploaded it, and a batch has one author besides its requester: of a list of two people, only
// these two can make one.
func listAuthor(list report.SentList, person string) (string, error) {
	switch {
	case list.By == list.Author, person == list.By:
		return list.Author, nil
	case person == list.Author:
		return list.By, nil
	}
	return "", &view.NotTheirsError{Poster: list.By, Uploader: list.Author}
}

// draftCSV writes the accounts of a draft as our reader reads them.
func draftCSV(accounts []workflow.Account) ([]byte, error) {
	var content bytes.Buffer
	err := sheet.WriteCSV(&content, view.DraftColumns(), func(yield func([]string) bool) {
		for _, a := range accounts {
			if !yield(view.DraftRow(a)) {
				return
			}
		}
	})
	return content.Bytes(), err
}
