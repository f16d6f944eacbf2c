package deliver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// fileLate is how long a file is tried before it is said in the thread that it is not there.
const fileLate = time.Minute

// fileState returns what became of a file, by the key under which it is put.
func (d *Deliverer) fileState(ctx context.Context, key string) (view.File, error) {
	p, known, err := d.store.Post(ctx, key)
	switch {
	case err != nil:
		return view.File{}, fmt.Errorf("load post %s: %w", key, err)
	case !known || p.TS == "":
		return view.File{}, nil
	case strings.HasPrefix(p.File, "F"): // Slack's ids of files do, and none of its codes
		return view.File{There: true}, nil
	case p.File == "": // the words in its place were sent, and the code was not noted
		return view.File{Refused: "it was refused"}, nil
	}
	return view.File{Refused: p.File}, nil
}

func lateKey(at place) string { return at.key + "/late" }

// putFileInTime is putFile, and says in the thread when the file does not arrive for a while,
// however each try goes, and then what became of it.
func (d *Deliverer) putFileInTime(
	ctx context.Context, at place, name, comment string, content func(context.Context) ([]byte, error),
) error {
	before, err := d.fileState(ctx, at.key)
	if err != nil {
		return err
	}
	if before != (view.File{}) {
		return d.noLongerLate(ctx, at, name, before)
	}
	since := d.triedSince(at.key)
	if time.Since(since) >= fileLate {
		d.sayLate(ctx, at, name, since)
	}
	trying, cancel := context.WithCancel(ctx)
	said := make(chan struct{})
	go func() {
		defer close(said)
		if sleep(trying, time.Until(since.Add(fileLate))) == nil {
			d.sayLate(ctx, at, name, since)
		}
	}()
	err = d.putFile(ctx, at, name, comment, content)
	cancel()
	<-said
	if err != nil {
		return err
	}
	after, err := d.fileState(ctx, at.key)
	if err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.tried, at.key)
	d.mu.Unlock()
	d.rerunOn(at.batch, onCard) // it may show where all rows are
	return d.noLongerLate(ctx, at, name, after)
}

// triedSince is when a file was tried first.
func (d *Deliverer) triedSince(key string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	since, trying := d.tried[key]
	if !trying {
		since = time.Now()
		d.tried[key] = since
	}
	return since
}

// sayLate says once that a file is not there.
func (d *Deliverer) sayLate(ctx context.Context, at place, name string, since time.Time) {
	at.key, at.rank = lateKey(at), slackapi.RankSaid
	if _, err := d.put(ctx, at, view.FileLate(name, since), "", newLane()); err != nil && ctx.Err() == nil {
		d.log.Warn().Str("post", at.key).Err(err).Msg("say that a file is late")
	}
}

// noLongerLate takes back that a file is late, where that was said.
func (d *Deliverer) noLongerLate(ctx context.Context, at place, name string, f view.File) error {
	at.key = lateKey(at)
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil || !known || p.TS == "" || p.File == lateOver {
		return err
	}
	at.edit, at.rank = true, slackapi.RankSaid
	m := view.FileCame(name, f)
	if p, err = d.put(ctx, at, m, m.Text, newLane()); err != nil {
		return err
	}
	p.File = lateOver
	return d.store.SavePost(ctx, p)
}

// lateOver marks the post that said that a file was late, once it says what became of it.
const lateOver = "over"

// planFile is what became of the file with every row of a batch.
func (d *Deliverer) planFile(ctx context.Context, b *workflow.Batch) (view.File, error) {
	return d.fileState(ctx, fmt.Sprintf("batch/%d/%s", b.Number, planName))
}
