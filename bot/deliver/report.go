package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// How results are posted.
const (
	reportRetry  = 5 * time.Minute    // the longest wait between two tries to post a result
	refusedRetry = time.Hour          // the same for a file that Slack refuses
	refusedFor   = 7 * 24 * time.Hour // after the run a file that was refused is given up
)

// waitingFile is a file of a result that Slack did not take.
type waitingFile struct {
	tries int
	next  time.Time
}

// reports posts what reports have found, until ctx ends. Like batches, results are looked for in
// the database, so that none depends on having been told of it.
func (d *Deliverer) reports(ctx context.Context) {
	failures := 0
	waiting := map[int64]waitingFile{} // by run
	for {
		wait := sweepEvery
		if err := d.postReports(ctx, waiting); err != nil && ctx.Err() == nil {
			failures++
			wait = min(d.intervals.Retry<<min(failures, 10), reportRetry)
			d.log.Warn().Err(err).Dur("again_in", wait).Msg("post the results of reports")
		} else {
			failures = 0
		}
		if failures == 0 { // else a file is tried with the next round
			for _, w := range waiting {
				wait = min(wait, max(time.Until(w.next), d.intervals.Retry))
			}
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

func (d *Deliverer) postReports(ctx context.Context, waiting map[int64]waitingFile) error {
	results, err := d.cfg.Results.Unposted(ctx)
	if err != nil {
		return fmt.Errorf("look for results: %w", err)
	}
	var failed []error
	for _, r := range results { // one that cannot be posted does not hold up the others
		err := d.postReport(ctx, r, waiting)
		if slackapi.ChannelClosed(err) {
			d.tellClosed(ctx, r, slackapi.Code(err))
		}
		failed = append(failed, err)
	}
	for run := range waiting {
		if !slices.ContainsFunc(results, func(r report.Result) bool { return r.Run == run }) {
			delete(waiting, run)
		}
	}
	return errors.Join(failed...)
}

// postReport puts a result into its channel: the message, and in its thread the chart as a picture and
// the file. The file comes last: a result with its file is not looked at again. While Slack does not take
// it, the message says so.
func (d *Deliverer) postReport(ctx context.Context, r report.Result, waiting map[int64]waitingFile) error {
	o := d.outcomeOf(ctx, r)
	p, known, err := d.store.Post(ctx, r.MessageKey())
	if err != nil {
		return fmt.Errorf("load post %s: %w", r.MessageKey(), err)
	}
	if !known || p.TS == "" {
		if p, err = o.say(ctx, report.FileThere); err != nil {
			return err
		}
	}
	w := waiting[r.Run]
	switch {
	case r.Failed, r.Snapshot == 0 && p.Version != int64(report.FileWaits):
		return nil
	case r.Snapshot == 0:
		_, err = o.say(ctx, report.FileStaysOut) // its night was dropped
		return err
	case time.Now().Before(w.next):
		return nil
	}
	files := o.putFiles(ctx, p)
	switch refused, ok := errors.AsType[*slackapi.FileRefusedError](files); {
	case files == nil:
		delete(waiting, r.Run)
		for run, w := range waiting { // perhaps the others are taken now, too
			waiting[run] = waitingFile{tries: w.tries}
		}
		_, err = o.say(ctx, report.FileThere)
		return err
	case errors.Is(files, slackapi.ErrThreadGone) || ctx.Err() != nil: // it is posted again with the next try
		return files
	case ok && time.Since(r.At) > refusedFor:
		return o.giveUp(ctx, refused.Why)
	case ok:
		waiting[r.Run] = waitingFile{w.tries + 1, time.Now().Add(min(d.intervals.Retry<<min(w.tries, 20), refusedRetry))}
		d.log.Warn().Err(files).Str("report", r.Report).Msg("the file of a report waits")
		files = nil
	}
	_, err = o.say(ctx, report.FileWaits)
	return errors.Join(files, err)
}

// outcome is a result that is being posted.
type outcome struct {
	*Deliverer
	report.Result
	at    place
	shown func() report.Message
	file  func() (report.File, error)
}

func (d *Deliverer) outcomeOf(ctx context.Context, r report.Result) outcome {
	return outcome{
		Deliverer: d, Result: r,
		at: place{
			key: r.MessageKey(), channel: cmp.Or(d.cfg.Results.Channel(r.Report), d.cfg.Reports), rank: slackapi.RankSaid, edit: true,
			repost: func() error { return d.forgetFiles(ctx, r) },
		},
		shown: sync.OnceValue(func() report.Message {
			shown, err := d.cfg.Results.Message(ctx, r)
			if err != nil && ctx.Err() == nil { // its numbers are known all the same
				d.log.Warn().Err(err).Str("report", r.Report).Msg("find out what a report shows")
			}
			return shown
		}),
		file: sync.OnceValues(func() (report.File, error) {
			if r.Failed || r.Snapshot == 0 {
				return report.File{}, nil
			}
			return d.cfg.Results.File(ctx, r)
		}),
	}
}

// say makes sure that the message is there and says that of the file.
func (o outcome) say(ctx context.Context, is report.FileState) (workflow.Post, error) {
	if p, known, err := o.store.Post(ctx, o.at.key); err != nil || known && p.TS != "" && p.Version == int64(is) {
		return p, err
	}
	named := o.FileName
	if f, err := o.file(); err == nil && (f.Name != "" || is == report.FileThere) {
		named = f.Name
	}
	at := o.at
	at.version = int64(is)
	m := view.Alarmed(view.ReportMessage(o.Result, o.shown(), named, o.cfg.Command, is), o.shown(), o.cfg.Admins)
	return o.put(ctx, at, m, "", newLane())
}

// putFiles puts the chart, where there is one, and the file under the message. What Slack thinks of the
// one says nothing about the other.
func (o outcome) putFiles(ctx context.Context, message workflow.Post) error {
	at := o.at
	at.channel, at.thread, at.edit = message.Channel, message.TS, false
	charted := o.putChart(ctx, at)
	if errors.Is(charted, slackapi.ErrThreadGone) {
		return errors.Join(charted, o.forgetPosts(ctx))
	}
	if charted != nil && !errors.As(charted, new(*slackapi.FileRefusedError)) {
		return charted
	}
	at.key = o.FileKey()
	_, err := o.sendContent(ctx, at, o.FileName, "", func(context.Context) (string, slackapi.Content, error) {
		f, err := o.file()
		return f.Name, slackapi.Content{Size: f.Size, Write: f.Write}, err
	})
	if errors.Is(err, slackapi.ErrThreadGone) {
		err = errors.Join(err, o.forgetPosts(ctx))
	}
	return err
}

// forgetPosts forgets a message that somebody deleted, and what stood under it.
func (o outcome) forgetPosts(ctx context.Context) error {
	return errors.Join(o.store.DeletePost(ctx, o.MessageKey()), o.forgetFiles(ctx, o.Result))
}

func (d *Deliverer) forgetFiles(ctx context.Context, r report.Result) error {
	return errors.Join(d.store.DeletePost(ctx, r.ChartKey()), d.store.DeletePost(ctx, r.FileKey()))
}

// putChart puts the chart of a result into its thread, where it has one.
func (o outcome) putChart(ctx context.Context, at place) error {
	at.key = o.ChartKey()
	if p, known, err := o.store.Post(ctx, at.key); err != nil || known && p.TS != "" {
		return err
	}
	chart := o.shown().Chart
	if !chart.Valid() {
		return nil
	}
	picture, err := chart.PNG()
	if err != nil { // it can never be drawn; the file need not wait for it
		o.log.Error().Err(err).Str("report", o.Report).Msg("draw a chart")
		return nil
	}
	_, err = o.sendContent(ctx, at, o.ChartName(), "", given(o.ChartName(), slackapi.Bytes(picture)))
	return err
}

// giveUp says that the file stays out, and notes it, so that the result is not looked at again.
func (o outcome) giveUp(ctx context.Context, why string) error {
	message, err := o.say(ctx, report.FileStaysOut)
	if err != nil {
		return err
	}
	return o.store.SavePost(ctx, workflow.Post{Key: o.FileKey(), Channel: message.Channel, TS: message.TS, File: why})
}

// tellClosed tells every admin directly that a report cannot be posted because its channel is closed to
// us: once a day for each channel, whichever reports belong there.
func (d *Deliverer) tellClosed(ctx context.Context, r report.Result, code string) {
	admins, err := d.people.Admins(ctx)
	if err != nil {
		d.log.Warn().Err(err).Msg("find the admins to tell of a closed channel")
		return
	}
	channel := cmp.Or(d.cfg.Results.Channel(r.Report), d.cfg.Reports)
	if !d.holdDirectly(ctx) {
		return
	}
	defer d.freeDirectly()
	today := time.Now().UTC().Format(time.DateOnly)
	for _, admin := range admins {
		at := place{key: "closed/" + channel + "/" + today + "/" + admin.ID, channel: admin.ID, rank: slackapi.RankSaid}
		if _, err := d.put(ctx, at, view.ReportClosed(r, channel, code), "", newLane()); err != nil && ctx.Err() == nil {
			d.log.Warn().Str("person", admin.ID).Err(err).Msg("tell an admin of a closed channel")
		}
	}
}
