package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
)

// reports posts what reports have found, until ctx ends. Like batches, results are looked for in
// the database, so that none depends on having been told of it.
func (d *Deliverer) reports(ctx context.Context) {
	failures := 0
	for {
		wait := sweepEvery
		if err := d.postReports(ctx); err != nil && ctx.Err() == nil {
			failures++
			wait = min(d.intervals.Retry<<min(failures, 10), reportRetry)
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

func (d *Deliverer) postReports(ctx context.Context) error {
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

// postReport puts a result into its channel: the message, and in its thread the chart as a picture and
// the file. The file comes last: a result with its file is not looked at again.
func (d *Deliverer) postReport(ctx context.Context, r report.Result) error {
	at := place{key: r.MessageKey(), channel: cmp.Or(d.cfg.Results.Channel(r.Report), d.cfg.Reports), rank: slackapi.RankSaid}
	shown := sync.OnceValue(func() report.Message {
		shown, err := d.cfg.Results.Message(ctx, r)
		if err != nil && ctx.Err() == nil { // its numbers are known all the same
			d.log.Warn().Err(err).Str("report", r.Report).Msg("find out what a report shows")
		}
		return shown
	})
	file := sync.OnceValues(func() (report.File, error) {
		if r.Failed || r.Snapshot == 0 {
			return report.File{}, nil
		}
		return d.cfg.Results.File(ctx, r)
	})
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return fmt.Errorf("load post %s: %w", at.key, err)
	}
	if !known || p.TS == "" {
		named := r.FileName
		if f, err := file(); err == nil {
			named = f.Name
		}
		m := view.Alarmed(view.ReportMessage(r, shown(), named), shown(), d.cfg.Admins)
		if p, err = d.put(ctx, at, m, "", newLane()); err != nil {
			return err
		}
	}
	if r.Failed || r.Snapshot == 0 {
		return nil
	}
	message := at
	at.channel, at.thread = p.Channel, p.TS
	if err = d.postChart(ctx, at, r, shown); err == nil {
		at.key = r.FileKey()
		err = d.putContent(ctx, at, r.FileName, "", func(context.Context) (string, slackapi.Content, error) {
			f, err := file()
			return f.Name, slackapi.Content{Size: f.Size, Write: f.Write}, err
		})
	}
	if err == nil {
		d.withoutFile(ctx, message, at.key, func() slackapi.Message {
			return view.Alarmed(view.ReportMessage(r, shown(), ""), shown(), d.cfg.Admins)
		})
	}
	if errors.Is(err, slackapi.ErrThreadGone) { // somebody deleted the message; it is posted again with the next try
		for _, key := range []string{r.MessageKey(), r.ChartKey(), r.FileKey()} {
			err = errors.Join(err, d.store.DeletePost(ctx, key))
		}
	}
	return err
}

// withoutFile takes back that a file is in the thread, where Slack does not take it.
func (d *Deliverer) withoutFile(ctx context.Context, at place, file string, draw func() slackapi.Message) {
	state, err := d.fileState(ctx, file)
	if err == nil && state.Refused == "" {
		return
	}
	if err == nil {
		at.edit = true
		m := draw()
		_, err = d.put(ctx, at, m, m.Text, newLane())
	}
	if err != nil {
		d.log.Warn().Str("post", at.key).Err(err).Msg("take back that a file is there")
	}
}

// postChart puts the chart of a result into its thread, where it has one.
func (d *Deliverer) postChart(ctx context.Context, at place, r report.Result, shown func() report.Message) error {
	at.key = r.ChartKey()
	if p, known, err := d.store.Post(ctx, at.key); err != nil || known && p.TS != "" {
		return err
	}
	chart := shown().Chart
	if !chart.Valid() {
		return nil
	}
	return d.putFile(ctx, at, r.ChartName(), "", func(context.Context) ([]byte, error) { return chart.PNG() })
}

// reportRetry is the longest wait between two tries to post a result.
const reportRetry = 5 * time.Minute
