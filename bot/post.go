package bot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

const (
	pageOfChanges = 1000
	uploadTries   = 3 // Slack now and then says ok and shares nothing
	shareFirst    = 250 * time.Millisecond
	shareTries    = 6 // a quarter of a second, then twice as long each time: eight seconds in all
	shareSettling = 10 * time.Second
)

// place is where a post belongs, and the key under which it is remembered.
type place struct {
	key     string
	batch   int64
	channel string
	thread  string // "" for a message of its own
	edit    bool   // kept up to date; else it is said once
	version int64  // the revision of an open batch that it shows; 0 for what is settled at its end
	rank    rank
	paid    bool         // an edit has had its turn
	sends   bool         // a send has had its turn
	anew    func() error // called before a message that is gone is posted again; may be nil
}

// put makes sure that the message is in Slack, once, and is as it should be. mark is what the message says, in short, to
// see whether an edit is needed; "" where it is never edited.
//
// Before a send its intent is written down, afterwards its ts. A send whose end is not known, because of a cut or a crash,
// is looked for in the channel before it is repeated.
func (d *deliver) put(ctx context.Context, at place, m message, mark string, t *track) (workflow.Post, error) {
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return p, fmt.Errorf("load post %s: %w", at.key, err)
	}
	if known && p.TS == "" && !p.Sending.IsZero() {
		if p.TS, err = d.search(ctx, at, p); err != nil {
			return p, err
		}
	}
	if known && p.TS != "" {
		if gone, err := d.edit(ctx, at, p, m, mark, t); err != nil || !gone {
			return p, err
		}
		if at.anew != nil {
			if err := at.anew(); err != nil {
				return p, err
			}
		}
	}
	p = workflow.Post{Key: at.key, Batch: at.batch, Channel: at.channel, Version: at.version, Sending: time.Now()}
	if err := d.store.SavePost(ctx, p); err != nil {
		return p, fmt.Errorf("note that %s is being sent: %w", at.key, err)
	}
	p.TS, err = d.send(ctx, at, m)
	if err != nil {
		if surelyNot(err) {
			if forget := d.store.DeletePost(context.WithoutCancel(ctx), at.key); forget != nil {
				err = errors.Join(err, forget)
			}
		}
		return p, err
	}
	p.Sending = time.Time{}
	if err := d.store.SavePost(context.WithoutCancel(ctx), p); err != nil {
		return p, fmt.Errorf("note that %s was sent: %w", at.key, err)
	}
	t.put[at.key] = mark
	return p, nil
}

// send posts the message; where Slack does not take its blocks, in a plainer form.
func (d *deliver) send(ctx context.Context, at place, m message) (string, error) {
	if !at.sends {
		if err := d.api.pacer(at.channel).wait(ctx, at.rank); err != nil {
			return "", err
		}
	}
	ts, err := d.api.postNow(ctx, at.channel, at.thread, at.key, m)
	for _, plainer := range plainerForms(m) {
		if !badBlocks(err) {
			break
		}
		d.logBlocks(at, err)
		ts, err = d.api.post(ctx, at.channel, at.thread, at.key, plainer, at.rank)
	}
	return ts, err
}

// due says whether a message is there, and whether it has to be edited, so that whoever asks can wait for a turn.
func (d *deliver) due(ctx context.Context, at place, mark string, t *track) (there, due bool, err error) {
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return false, false, fmt.Errorf("load post %s: %w", at.key, err)
	}
	there = known && p.TS != ""
	return there, there && !current(at, p, mark, t), nil
}

// current says whether a message that is there shows what it should.
func current(at place, p workflow.Post, mark string, t *track) bool {
	if put, known := t.put[at.key]; known || !at.edit {
		return !at.edit || put == mark
	}
	return !t.doubt && at.version != 0 && p.Version == at.version // it was shown before a restart
}

// edit brings a message that is there up to date. gone says that it is not there any more.
func (d *deliver) edit(
	ctx context.Context, at place, p workflow.Post, m message, mark string, t *track,
) (gone bool, err error) {
	if current(at, p, mark, t) {
		if at.paid {
			d.api.updates.back()
		}
		t.put[at.key] = mark
		return false, nil
	}
	if !at.paid {
		if err := d.api.updates.wait(ctx, at.rank); err != nil {
			return false, err
		}
	}
	err = d.api.update(ctx, p.Channel, p.TS, at.key, m)
	for _, plainer := range plainerForms(m) {
		if !badBlocks(err) {
			break
		}
		d.logBlocks(at, err)
		err = d.api.update(ctx, p.Channel, p.TS, at.key, plainer)
	}
	switch slackCode(err) {
	case "message_not_found":
		return true, nil
	case "edit_window_closed", "cant_update_message": // it can never be edited again; another one says what is new
		d.log.Warn().Str("post", at.key).Err(err).Msg("a message cannot be edited; posting another")
		return true, nil
	}
	if err != nil {
		return false, err
	}
	t.put[at.key] = mark
	if at.version != 0 {
		p.Version = at.version
		err = d.store.SavePost(ctx, p)
	}
	return false, err
}

// search finds a message whose send was cut short. It is written down as soon as it is found.
func (d *deliver) search(ctx context.Context, at place, p workflow.Post) (string, error) {
	if strings.HasPrefix(at.channel, "U") || strings.HasPrefix(at.channel, "W") {
		return "", nil // direct messages: where they went is not known; saying it twice does no harm
	}
	ts, found, err := d.api.find(ctx, p.Channel, at.thread, at.key, p.Sending)
	switch code := slackCode(err); {
	case code == "missing_scope" || code == "thread_not_found" || code == "message_not_found":
		d.log.Warn().Str("post", at.key).Err(err).Msg("look whether a message was sent")
		return "", nil
	case err != nil:
		return "", err
	case !found:
		return "", nil
	}
	p.TS, p.Sending = ts, time.Time{}
	if err := d.store.SavePost(ctx, p); err != nil {
		return "", fmt.Errorf("note that %s was sent: %w", at.key, err)
	}
	return ts, nil
}

func badBlocks(err error) bool {
	return slices.Contains([]string{
		"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_attachments",
	}, slackCode(err))
}

func (d *deliver) logBlocks(at place, err error) {
	e, _ := errors.AsType[slack.SlackErrorResponse](err)
	d.log.Error().Str("post", at.key).Str("code", e.Err).Strs("why", e.ResponseMetadata.Messages).
		Msg("Slack does not take our blocks; posting less")
}

// plainerForms are what is left of a message when Slack does not take all of it: first without its table, then its words
// alone with what can be pressed.
func plainerForms(m message) []message {
	without := func(drop func(slack.Block) bool) message {
		return message{Text: m.Text, Blocks: slices.DeleteFunc(slices.Clone(m.Blocks), drop)}
	}
	return []message{
		without(func(b slack.Block) bool { return b.BlockType() == slack.MBTTable }),
		without(func(b slack.Block) bool {
			return b.BlockType() != slack.MBTHeader && b.BlockType() != slack.MBTSection && b.BlockType() != slack.MBTAction
		}),
	}
}

// refusedFile are the answers by which a workspace's rules keep files out; then words stand in their place.
func refusedFile(err error) bool {
	code := slackCode(err)
	return slices.Contains([]string{
		"file_uploads_disabled", "file_uploads_except_images_disabled", "file_type_not_allowed", "storage_limit_reached",
		"file_upload_size_restricted", "missing_scope",
	}, code)
}

// putFile makes sure that the file is in the thread, once. Slack shares a file some time after the upload, and sometimes
// never: the file's id is remembered before it is shared, and asked for afterwards.
func (d *deliver) putFile(
	ctx context.Context, at place, name string, content func(context.Context) ([]byte, error),
) error {
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return fmt.Errorf("load post %s: %w", at.key, err)
	}
	if known && p.TS != "" {
		return nil
	}
	if known && p.File == "" && !p.Sending.IsZero() { // words were being sent in its place
		if ts, err := d.search(ctx, at, p); err != nil || ts != "" {
			return err
		}
	}
	if known && p.File != "" {
		tries := shareTries
		if time.Since(p.Sending) > shareSettling {
			tries = 1 // an old upload is there or it is lost
		}
		if done, err := d.shared(ctx, at, p, tries); done || err != nil {
			return err
		}
	}
	bytes, err := content(ctx)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	for range uploadTries {
		done, err := d.upload(ctx, at, name, bytes)
		if refusedFile(err) {
			return d.insteadOfFile(ctx, at, name, slackCode(err))
		}
		if done || err != nil {
			return err
		}
		d.log.Warn().Str("post", at.key).Msg("Slack took a file and did not share it; sending it again")
	}
	return d.insteadOfFile(ctx, at, name, "it takes the file and does not show it")
}

func (d *deliver) upload(ctx context.Context, at place, name string, content []byte) (done bool, err error) {
	id, url, err := d.api.startUpload(ctx, name, len(content))
	if err != nil {
		return false, err
	}
	p := workflow.Post{Key: at.key, Batch: at.batch, Channel: at.channel, File: id, Sending: time.Now()}
	if err := d.store.SavePost(ctx, p); err != nil {
		return false, fmt.Errorf("note that %s is being sent: %w", at.key, err)
	}
	if err := d.api.finishUpload(ctx, id, url, name, at.channel, at.thread, content); err != nil {
		return false, err
	}
	return d.shared(ctx, at, p, shareTries)
}

// shared waits until the file is seen in the channel, and notes it.
func (d *deliver) shared(ctx context.Context, at place, p workflow.Post, tries int) (bool, error) {
	wait := d.tempo.share
	for try := range tries {
		if try > 0 {
			if err := sleep(ctx, wait); err != nil {
				return false, err
			}
			wait *= 2
		}
		ts, err := d.api.sharedAs(ctx, p.File, p.Channel, at.thread)
		switch code := slackCode(err); {
		case code == "file_not_found" || code == "file_deleted":
			return false, nil
		case err != nil:
			return false, err
		case ts != "":
			p.TS, p.Sending = ts, time.Time{}
			if err := d.store.SavePost(context.WithoutCancel(ctx), p); err != nil {
				return false, fmt.Errorf("note that %s was sent: %w", p.Key, err)
			}
			return true, nil
		}
	}
	return false, nil
}

// insteadOfFile says that a file cannot be shown, in its place.
func (d *deliver) insteadOfFile(ctx context.Context, at place, name, code string) error {
	m := said(fmt.Sprintf("I cannot put %s here: Slack does not let me (%s).", name, code))
	if err := d.store.DeletePost(ctx, at.key); err != nil {
		return err
	}
	p, err := d.put(ctx, at, m, "", newTrack())
	if err != nil {
		return err
	}
	p.File = code // there will be no other
	if err := d.store.SavePost(ctx, p); err != nil {
		return fmt.Errorf("note that %s stays out: %w", name, err)
	}
	return nil
}

// The names of the files, as people look for them.
func planFile(number int64) string    { return fmt.Sprintf("batch-%d-plan.csv", number) }
func badRowsFile(number int64) string { return fmt.Sprintf("batch-%d-bad-rows.csv", number) }

// resultsFile is named after the batch; those of a retry after its run, too.
func resultsFile(number int64, run int) string {
	if run == 1 {
		return fmt.Sprintf("batch-%d-results.csv", number)
	}
	return fmt.Sprintf("batch-%d-results-%d.csv", number, run)
}

// rows writes every change of a batch, in any of the states, as a CSV.
func (d *deliver) rows(
	ctx context.Context, number int64, header []string, cells func(workflow.Change) []string, in ...workflow.ChangeState,
) ([]byte, error) {
	var buf bytes.Buffer
	var failed error
	pages := func(yield func([]string) bool) {
		for after := 0; ; {
			page, err := d.store.Changes(ctx, number, after, pageOfChanges, in...)
			if err != nil {
				failed = err
				return
			}
			for _, c := range page {
				if !yield(cells(c)) {
					return
				}
			}
			if len(page) < pageOfChanges {
				return
			}
			after = page[len(page)-1].Row
		}
	}
	if err := workflow.WriteCSV(&buf, header, iter.Seq[[]string](pages)); err != nil {
		return nil, err
	}
	return buf.Bytes(), failed
}

// badRows writes the unreadable and blocked rows under the columns of the file they came from, ready to be put right and
// sent again.
func (d *deliver) badRows(ctx context.Context, b *workflow.Batch) ([]byte, error) {
	var header []string
	if b.Source.Kind == workflow.SourceFile {
		original, err := d.store.Original(ctx, b.Number)
		if err != nil && !errors.Is(err, workflow.ErrGone) {
			return nil, err
		}
		if err == nil {
			limits := workflow.ReadLimits{MaxBytes: int(d.cfg.MaxFileBytes), MaxRows: d.cfg.MaxRows}
			sheet, err := workflow.ReadCSV(original, b.Verb, b.OrgID, limits)
			if err != nil { // limits may have changed since; then the rows come under columns of our own
				d.log.Warn().Int64("batch", b.Number).Err(err).Msg("read the columns of a file again")
			} else {
				header = sheet.Header
			}
		}
	}
	cells := func(c workflow.Change) []string { return workflow.BadRow(c, header) }
	return d.rows(ctx, b.Number, workflow.BadRowsHeader(header), cells, workflow.ChangeBad, workflow.ChangeBlocked)
}
