package cli

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/store/sqlite"
)

// wentBackFor is how long doctor tells of a database that was put back.
const wentBackFor = 30 * 24 * time.Hour

// restored looks whether Slack shows more than the database knows. Before the first start there is no database.
func (d *doctor) restored(ctx context.Context) {
	db, err := sqlite.OpenReadOnly(ctx, sqlite.Config{Path: d.cfg.Store.Path, Log: zerolog.Nop()})
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		d.bad("store.path: %v", err)
		return
	}
	defer func() { _ = db.Close() }() // nothing was written
	slack, err := bot.NewSlack(bot.SlackConfig{
		BotToken: d.cfg.Slack.BotToken.Reveal(), APIURL: d.cfg.Slack.APIURL, Admins: d.cfg.People.Admins, Log: zerolog.Nop(),
	})
	if err != nil {
		d.bad("store.path: %v", err)
		return
	}
	reports := d.cfg.Channels.Reports
	if reports == "" {
		reports = d.cfg.Channels.Requests
	}
	found, err := slack.Restored(ctx, db, d.cfg.Channels.Requests, reports)
	if err != nil {
		d.warn("store.path: cannot see whether the database is as new as the channel (Slack says %s)", slackSays(d.cfg.Slack.APIURL, err))
		return
	}
	said, err := bot.RestoredBefore(ctx, db)
	switch {
	case err != nil:
		d.bad("store.path: %v", err)
	case !found.Nothing() && !found.Same(said):
		d.bad("store.path: the database went back in time: %s Was it restored from a copy? If that was meant, start the bot: it "+
			"says so in the channel and gives no number twice", found.Words())
	case !said.At.IsZero() && time.Since(said.At) < wentBackFor:
		d.warn("store.path: the database went back in time, as the channel was told on %s: %s", said.At.UTC().Format(time.DateOnly),
			said.Words())
	default:
		d.ok("store.path: the database knows all that stands in the channels")
	}
}
