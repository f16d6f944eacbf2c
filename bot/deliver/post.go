package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

const (
	pageOfChanges = 1000
	uploadTries   = 3 // Slack now and then says ok and shares nothing
	shareFirst    = 250 * time.Millisecond
	shareTries    = 6 // a quarter of a second, then twice as long each time: eight seconds in all
	shareLook     = 2 // from this one on, counted from 0, the messages are looked at
	shareSettling = 10 * time.Second
)

// place is where a post belongs, and the key under which it is remembered.
type place struct {
	key      string
	batch    int64
	channel  string
	thread   string // "" for a message of its own
	edit     bool   // kept up to date; else it is said once
	version  int64  // the revision of an open batch that it shows; 0 for what is settled at its end
	rank     slackapi.Rank
	editTurn bool         // an edit has had its turn
	sendTurn bool         // a send has had its turn
	repost   func() error // called before a message that is gone is posted again; may be nil
}

// put makes sure that the message is in Slack, once, and is as it should be. mark is what the
// message says, in short, to see whether an edit is needed; "" where it is never edited.
//
// Before a send its intent is written down, afterwards its ts. A send whose end is not known,
// because of a cut or a crash, is looked for in the channel before it is repeated.
func (d *Deliverer) put(ctx context.Context, at place, m slackapi.Message, mark string, t *lane) (workflow.Post, error) {
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
		if at.repost != nil {
			if err := at.repost(); err != nil {
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
		if slackapi.HadNoEffect(err) {
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

// send posts the message.
func (d *Deliverer) send(ctx context.Context, at place, m slackapi.Message) (string, error) {
	if !at.sendTurn {
		if err := d.api.Posts(at.channel).Wait(ctx, at.rank); err != nil {
			return "", err
		}
	}
	return d.api.PostNow(ctx, at.channel, at.thread, at.key, m)
}

// editDue reports whether a message is there, and whether it has to be edited, so that whoever asks
// can wait for a turn.
func (d *Deliverer) editDue(ctx context.Context, at place, mark string, t *lane) (there, due bool, err error) {
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return false, false, fmt.Errorf("load post %s: %w", at.key, err)
	}
	there = known && p.TS != ""
	return there, there && !current(at, p, mark, t), nil
}

// current reports whether a message that is there shows what it should.
func current(at place, p workflow.Post, mark string, t *lane) bool {
	if put, known := t.put[at.key]; known || !at.edit {
		return !at.edit || put == mark
	}
	return !t.stale && at.version != 0 && p.Version == at.version // it was shown before a restart
}

// edit brings a message that is there up to date. gone says that it is not there any more.
func (d *Deliverer) edit(
	ctx context.Context, at place, p workflow.Post, m slackapi.Message, mark string, t *lane,
) (gone bool, err error) {
	if current(at, p, mark, t) {
		if at.editTurn {
			d.api.Updates().Return()
		}
		t.put[at.key] = mark
		return false, nil
	}
	if !at.editTurn {
		if err := d.api.Updates().Wait(ctx, at.rank); err != nil {
			return false, err
		}
	}
	err = d.api.Update(ctx, p.Channel, p.TS, at.key, m)
	switch slackapi.Code(err) {
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
		err = d.store.SavePost(context.WithoutCancel(ctx), p)
	}
	return false, err
}

// search finds a message whose send was cut short. It is written down as soon as it is found.
func (d *Deliverer) search(ctx context.Context, at place, p workflow.Post) (string, error) {
	if strings.HasPrefix(at.channel, "U") || strings.HasPrefix(at.channel, "W") {
		return "", nil // direct messages: where they went is not known; saying it twice does no harm
	}
	ts, found, err := d.api.Find(ctx, p.Channel, at.thread, at.key, p.Sending)
	switch code := slackapi.Code(err); {
	case code == "missing_scope" || slackapi.ThreadGone(err):
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

// refusedFile are the answers by which a workspace's rules keep files out.
func refusedFile(err error) bool {
	code := slackapi.Code(err)
	return slices.Contains([]string{
		"file_uploads_disabled", "file_uploads_except_images_disabled", "file_type_not_allowed", "storage_limit_reached",
		"file_upload_size_restricted", "missing_scope",
	}, code)
}

// contentOf writes a file that is to be sent, and says under which name.
type contentOf func(ctx context.Context) (name string, content slackapi.Content, err error)

// inMemory is the content of a file that is written as a whole.
func inMemory(name string, content func(context.Context) ([]byte, error)) contentOf {
	return func(ctx context.Context) (string, slackapi.Content, error) {
		bytes, err := content(ctx)
		return name, slackapi.Bytes(bytes), err
	}
}

// putFile makes sure that the file is in the thread, once; where Slack does not take it, words stand in
// its place.
func (d *Deliverer) putFile(
	ctx context.Context, at place, name, comment string, content func(context.Context) ([]byte, error),
) error {
	return d.putContent(ctx, at, name, comment, inMemory(name, content))
}

// putContent is putFile for what is not in memory as a whole.
func (d *Deliverer) putContent(ctx context.Context, at place, name, comment string, content contentOf) error {
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return fmt.Errorf("load post %s: %w", at.key, err)
	}
	if known && p.TS == "" && p.File == "" && !p.Sending.IsZero() { // words were being sent in its place
		if ts, err := d.search(ctx, at, p); err != nil || ts != "" {
			return err
		}
	}
	sent, err := d.sendContent(ctx, at, name, comment, content)
	if refused, ok := errors.AsType[*slackapi.FileRefusedError](err); ok {
		return d.insteadOfFile(ctx, at, sent, refused.Why)
	}
	return err
}

// sendContent makes sure that the file is in the thread, once. Slack shares a file some time after the
// upload, and sometimes never: the file's id is remembered before it is shared, and asked for
// afterwards. sent is the name under which it was sent. Errors: *slackapi.FileRefusedError.
func (d *Deliverer) sendContent(ctx context.Context, at place, name, comment string, content contentOf) (sent string, err error) {
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return name, fmt.Errorf("load post %s: %w", at.key, err)
	}
	if known && p.TS != "" {
		return name, nil
	}
	if known && p.File != "" {
		tries := shareTries
		if time.Since(p.Sending) > shareSettling {
			tries = 1 // an old upload is there or it is lost
		}
		if done, err := d.shared(ctx, at, p, tries); done || err != nil {
			return name, err
		}
	}
	sent, bytes, err := content(ctx)
	if err != nil {
		return name, fmt.Errorf("write %s: %w", name, err)
	}
	for range uploadTries {
		done, err := d.upload(ctx, at, sent, comment, bytes)
		if refusedFile(err) {
			return sent, &slackapi.FileRefusedError{Why: slackapi.Code(err)}
		}
		if done || err != nil {
			return sent, err
		}
		d.log.Warn().Str("post", at.key).Msg("Slack took a file and did not share it; sending it again")
	}
	return sent, &slackapi.FileRefusedError{Why: "it takes the file and does not show it"}
}

func (d *Deliverer) upload(ctx context.Context, at place, name, comment string, content slackapi.Content) (done bool, err error) {
	id, url, err := d.api.StartUpload(ctx, name, content.Size)
	if err != nil {
		return false, err
	}
	p := workflow.Post{Key: at.key, Batch: at.batch, Channel: at.channel, File: id, Sending: time.Now()}
	if err := d.store.SavePost(ctx, p); err != nil {
		return false, fmt.Errorf("note that %s is being sent: %w", at.key, err)
	}
	if err := d.api.FinishUpload(ctx, id, url, name, at.channel, at.thread, comment, content); err != nil {
		return false, err
	}
	return d.shared(ctx, at, p, shareTries)
}

// shared waits until the file is seen in the channel, and notes it. What files.info does not say is
// looked for among the messages only after some time: most files are shared at once.
func (d *Deliverer) shared(ctx context.Context, at place, p workflow.Post, tries int) (bool, error) {
	wait := d.intervals.Share
	for try := range tries {
		if try > 0 {
			if err := sleep(ctx, wait); err != nil {
				return false, err
			}
			wait *= 2
		}
		ts, err := d.api.SharedAs(ctx, p.File, p.Channel, at.thread, try >= shareLook || try == tries-1)
		switch code := slackapi.Code(err); {
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
func (d *Deliverer) insteadOfFile(ctx context.Context, at place, name, code string) error {
	m := view.InsteadOfFile(name, code, at.batch)
	if err := d.store.DeletePost(ctx, at.key); err != nil {
		return err
	}
	p, err := d.put(ctx, at, m, "", newLane())
	if err != nil {
		return err
	}
	p.File = code // there will be no other
	if err := d.store.SavePost(ctx, p); err != nil {
		return fmt.Errorf("note that %s stays out: %w", name, err)
	}
	return nil
}

// rows writes every change of a batch, in any of the states, as a CSV.
func (d *Deliverer) rows(
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
	if err := sheet.WriteCSV(&buf, header, iter.Seq[[]string](pages)); err != nil {
		return nil, err
	}
	return buf.Bytes(), failed
}

// badRows writes the unreadable and blocked rows under the columns of the file they came from,
// ready to be put right and sent again.
func (d *Deliverer) badRows(ctx context.Context, b *workflow.Batch) ([]byte, error) {
	cells := func(c workflow.Change) []string { return sheet.BadRow(c, b.Header) }
	return d.rows(ctx, b.Number, sheet.BadRowsHeader(b.Header), cells, workflow.ChangeBad, workflow.ChangeBlocked)
}
