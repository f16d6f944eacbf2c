package deliver

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// filesWait is how long admins are not called for the sake of the files that stand above the call.
const filesWait = 10 * time.Second

// speaker says things in one thread, each once, in the order in which it is asked to.
type speaker struct {
	d      *Deliverer
	batch  *workflow.Batch
	card   place
	lane   *lane
	failed []error // what cannot be said does not hold up the rest
}

func (s *speaker) say(ctx context.Context, name string, due bool, draw func() slackapi.Message) {
	if due {
		_, err := s.d.put(ctx, below(s.batch, s.card, name, slackapi.RankSaid), draw(), "", s.lane)
		s.failed = append(s.failed, err)
	}
}

// later ends what is said for now; it goes on after a while.
func (s *speaker) later(wait time.Duration, err error) error {
	return together(append(s.failed, cmp.Or(err, error(&laterError{wait}))))
}

// sayWords says in the thread what is to be said, in the order in which people read it.
func (d *Deliverer) sayWords(ctx context.Context, l *snapshot, card place, w *batchView) error {
	b := l.Batch
	s := &speaker{d: d, batch: b, card: card, lane: w.lanes[onWords]}
	s.failed = append(s.failed, d.putTaken(ctx, b, card, s.lane))
	t, err := d.thread(ctx, l)
	if err != nil {
		return err
	}
	if b.State == workflow.Empty {
		if t.Holders, err = d.holders(ctx, b.Number); err != nil {
			return err
		}
	}
	s.say(ctx, "empty", b.State == workflow.Empty, t.Empty)
	if b.Emergency {
		s.failed = append(s.failed, d.tellEmergency(ctx, t, s.lane))
	}
	if b.State == workflow.AwaitingApproval {
		if wait, err := d.filesFirst(ctx, l); err != nil || wait > 0 {
			return s.later(wait, err)
		}
		s.say(ctx, "admins", true, t.Waiting)
		s.failed = append(s.failed, d.callNext(ctx, t, s))
	}
	s.say(ctx, "ended", view.TellsEnd(b), t.Ended)
	s.failed = append(s.failed, d.remind(ctx, t, card, s.lane), d.sayRestarted(ctx, t, s))
	s.say(ctx, fmt.Sprintf("pause/%d", b.Stop.At.UnixMilli()), b.State == workflow.Paused, t.Paused)
	if by := b.ResumedBy; by != nil {
		s.say(ctx, fmt.Sprintf("resumed/%d", by.At.UnixMilli()), true, func() slackapi.Message { return t.Resumed(*by) })
	}
	if view.HasRun(b) {
		if _, t.Relations, err = d.follow(ctx, b); err != nil {
			return err
		}
		wait, err := d.progressFirst(ctx, b)
		if err != nil || wait > 0 {
			return s.later(wait, err)
		}
	}
	s.say(ctx, endName(b), view.HasRun(b), t.End)
	return together(s.failed)
}

// thread is what the messages about a batch are drawn from.
func (d *Deliverer) thread(ctx context.Context, l *snapshot) (t view.Thread, err error) {
	b := l.Batch
	if found, _ := d.people.Approvers(); found == nil && b.State == workflow.AwaitingApproval {
		if err := d.people.FindApprovers(ctx, false); err != nil {
			d.log.Warn().Int64("batch", b.Number).Err(err).Msg("find out who could approve") // then all are named
		}
	}
	t = view.Thread{Batch: b, Summary: l.Summary, Command: d.cfg.Command}
	if t.Admins, err = d.admins(ctx, b); err != nil {
		return t, err
	}
	if l.Batch.Digest != "" {
		t.Gist, err = d.gist(ctx, l.Batch)
	}
	return t, err
}

// endName names the message that a run has ended.
func endName(b *workflow.Batch) string { return fmt.Sprintf("end/%d", view.RunNumber(b)) }

// filesFirst returns how long the call of the admins has to wait, so that they find the files above
// it. It does not wait for those that Slack does not take.
func (d *Deliverer) filesFirst(ctx context.Context, l *snapshot) (time.Duration, error) {
	b := l.Batch
	names := []string{planName}
	if l.Summary.State(workflow.ChangeBad, workflow.ChangeBlocked) > 0 {
		names = append(names, badRowsName)
	}
	if time.Since(b.Planned) > filesWait {
		return 0, nil
	}
	if _, called, err := d.store.Post(ctx, fmt.Sprintf("batch/%d/admins", b.Number)); called || err != nil {
		return 0, err
	}
	for _, name := range names {
		state, err := d.fileState(ctx, fmt.Sprintf("batch/%d/%s", b.Number, name))
		if err != nil || state == (view.File{}) {
			return endLooks, err
		}
	}
	return 0, nil
}

// saidFirst returns how long something has to wait until a message stands that people read before
// it. It does not wait for what may never come.
func (d *Deliverer) saidFirst(ctx context.Context, since time.Time, key string) (time.Duration, error) {
	if time.Since(since) > 2*endWaits {
		return 0, nil
	}
	p, _, err := d.store.Post(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("load post %s: %w", key, err)
	}
	if p.TS != "" {
		return 0, nil
	}
	return endLooks, nil
}

// callNext tells those who may give the last approval, once after the one before it.
func (d *Deliverer) callNext(ctx context.Context, t view.Thread, s *speaker) error {
	b := t.Batch
	if b.Missing() != 1 || len(b.Approvers()) == 0 {
		return nil
	}
	last := b.Decisions[len(b.Decisions)-1]
	name := fmt.Sprintf("next/%d", last.At.UnixMilli())
	p, known, err := d.store.Post(ctx, below(b, s.card, name, slackapi.RankSaid).key)
	if err != nil || known && p.TS != "" {
		return err
	}
	var ids []string
	for _, may := range d.mayApprove(ctx, b) {
		ids = append(ids, may.ID)
	}
	s.say(ctx, name, true, func() slackapi.Message { return t.Next(ids) })
	return nil
}

// sayRestarted says that the program was restarted during the run and, once it is known, what became
// of the changes that were under way.
func (d *Deliverer) sayRestarted(ctx context.Context, t view.Thread, s *speaker) error {
	r := t.Batch.Restarted
	if r == nil {
		return nil
	}
	at := below(t.Batch, s.card, fmt.Sprintf("restarted/%d", r.At.UnixMilli()), slackapi.RankSaid)
	over := at.key + "/over"
	if _, said := s.lane.put[over]; said {
		return nil
	}
	back, err := d.readBack(ctx, t.Batch.Number, r.Rows)
	if err != nil {
		return err
	}
	m := t.Restarted(*r, back)
	at.edit = true
	_, err = d.put(ctx, at, m, m.Text, s.lane)
	if err == nil && back.Open == 0 {
		s.lane.put[over] = ""
	}
	return err
}

// readBack counts what became of rows whose outcome was not known.
func (d *Deliverer) readBack(ctx context.Context, number int64, rows []int) (back view.Readback, err error) {
	for _, row := range rows {
		changes, err := d.store.Changes(ctx, number, row-1, 1)
		if err != nil {
			return back, fmt.Errorf("look at line %d of batch %d: %w", row, number, err)
		}
		if len(changes) == 0 || changes[0].Row != row {
			continue
		}
		switch changes[0].State {
		case workflow.ChangeUnknown, workflow.ChangeRunning:
			back.Open++
		case workflow.ChangeFailed:
			back.Failed++
		}
	}
	return back, nil
}
