package bot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// Reports are what the bot asks of the reports (report.Runner, which documents each).
type Reports interface {
	List(ctx context.Context) ([]report.Status, error)
	RunNow(ctx context.Context, name, by string) error
	Show(ctx context.Context, name, date string) (report.Result, []byte, error)
	CSV(ctx context.Context, run int64, w io.Writer) error
	Unposted(ctx context.Context) ([]report.Result, error)
}

// reportRetry is the longest wait between two tries to post a result.
const reportRetry = 5 * time.Minute

// ReportFinished has the results of reports looked at now (report.Config.Finished). It does not block.
func (b *Bot) ReportFinished() {
	select {
	case b.deliver.results <- struct{}{}:
	default:
	}
}

// report answers the commands on reports.
func (b *Bot) report(ctx context.Context, c workflow.Command, actor workflow.Actor) (message, error) {
	reports := b.cfg.Results
	if reports == nil {
		return message{}, errNoReports
	}
	switch c.Name {
	case "report list":
		list, err := reports.List(ctx)
		if err != nil {
			return message{}, err
		}
		return reportList(list), nil
	case "report run":
		if !actor.Admin {
			return message{}, workflow.ErrNotAdmin
		}
		if err := reports.RunNow(ctx, c.Report, actor.ID); err != nil {
			return message{}, err
		}
		return said("`" + escape(c.Report) + "` is being made; it comes to <#" + b.cfg.Reports + ">."), nil
	default:
		result, table, err := reports.Show(ctx, c.Report, c.Date)
		if err != nil {
			return message{}, err
		}
		text := resultText(result)
		if len(table) > 0 {
			text += b.sendDirectly(ctx, actor.ID, result.FileName, table)
		}
		return said(text), nil
	}
}

// sendDirectly puts a file into a person's direct messages with the bot, and says where it is.
func (b *Bot) sendDirectly(ctx context.Context, person, name string, content []byte) string {
	err := func() error {
		channel, err := b.api.direct(ctx, person)
		if err != nil {
			return err
		}
		id, url, err := b.api.startUpload(ctx, name, len(content))
		if err != nil {
			return err
		}
		return b.api.finishUpload(ctx, id, url, name, channel, "", content)
	}()
	if err != nil {
		b.log.Warn().Err(err).Str("person", person).Msg("send a report directly")
		return "\nI could not send you the file; it is in the thread of the report."
	}
	return "\nThe file comes to your direct messages with me."
}

// reports posts what reports have found, until ctx ends. Like batches, results are looked for in the database, so that
// none depends on having been told of it.
func (d *deliver) reports(ctx context.Context) {
	failures := 0
	for {
		wait := sweepEvery
		if err := d.postReports(ctx); err != nil && ctx.Err() == nil {
			failures++
			wait = min(d.tempo.retry<<min(failures, 10), reportRetry)
			d.log.Warn().Err(err).Dur("again_in", wait).Msg("post the results of reports")
		} else {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.results:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (d *deliver) postReports(ctx context.Context) error {
	results, err := d.cfg.Results.Unposted(ctx)
	if err != nil {
		return fmt.Errorf("look for results: %w", err)
	}
	var failed []error
	for _, r := range results { // one that cannot be posted does not hold up the others
		failed = append(failed, d.postReport(ctx, r))
	}
	return errors.Join(failed...)
}

func (d *deliver) postReport(ctx context.Context, r report.Result) error {
	at := place{key: r.MessageKey(), channel: d.cfg.Reports, rank: rankSaid}
	p, err := d.put(ctx, at, said(resultText(r)), "", newTrack())
	if err != nil || r.Failed || r.Snapshot == 0 {
		return err
	}
	at.key, at.channel, at.thread = r.FileKey(), p.Channel, p.TS
	return d.putFile(ctx, at, r.FileName, func(ctx context.Context) ([]byte, error) {
		var buf bytes.Buffer
		err := d.cfg.Results.CSV(ctx, r.Run, &buf)
		return buf.Bytes(), err
	})
}
