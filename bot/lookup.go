package bot

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

func (b *Bot) find(ctx context.Context, c given, _ workflow.Actor) (slackapi.Message, error) {
	accounts, err := b.cfg.Engine.Find(ctx, c.Text)
	if err != nil {
		return slackapi.Message{}, err
	}
	return view.Found(c.Text, accounts), nil
}

func (b *Bot) domains(ctx context.Context, _ given, _ workflow.Actor) (slackapi.Message, error) {
	claims, err := b.cfg.Engine.Domains(ctx)
	if err != nil {
		return slackapi.Message{}, err
	}
	return view.Domains(claims), nil
}

func (b *Bot) history(ctx context.Context, c given, _ workflow.Actor) (slackapi.Message, error) {
	pasts, err := b.cfg.Engine.History(ctx, c.Text)
	if err != nil {
		return slackapi.Message{}, err
	}
	return view.History(c.Text, pasts), nil
}

func (b *Bot) groups(ctx context.Context, c given, _ workflow.Actor) (slackapi.Message, error) {
	groups, more, err := b.cfg.Engine.FindGroups(ctx, c.Text)
	if err != nil {
		return slackapi.Message{}, err
	}
	return view.Groups(c.Text, groups, more), nil
}

// siteFindTime is how long somebody waits for an answer to site find.
const siteFindTime = 10 * time.Second

// siteFindLimit is how many users of a site a search shows.
const siteFindLimit = 8

func (b *Bot) findAtSite(ctx context.Context, c given, _ workflow.Actor) (slackapi.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, siteFindTime)
	defer cancel()
	users, err := b.cfg.Sites.FindAtSite(ctx, c.Site, c.Text, siteFindLimit)
	if refusal, refused := errors.AsType[*workflow.Refusal](err); refused {
		return view.Refused(refusal), nil
	}
	if err != nil {
		return slackapi.Message{}, err
	}
	return view.FoundAtSite(c.Site, c.Text, users), nil
}
