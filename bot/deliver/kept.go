package deliver

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// sayKept tells who asked that what was done for a while stays. A return that never began has no
// thread, so it is said in that of the batch which it would have taken back.
func (d *Deliverer) sayKept(ctx context.Context, b *workflow.Batch, w *batchView) error {
	if !view.TellsKept(b) {
		return nil
	}
	p, known, err := d.store.Post(ctx, cardKey(b.Follows))
	if err != nil {
		return fmt.Errorf("load the card of batch %d: %w", b.Follows, err)
	}
	if !known || p.TS == "" {
		return nil
	}
	at := below(b, place{channel: p.Channel, thread: p.TS}, "kept", slackapi.RankSaid)
	if _, err = d.put(ctx, at, view.Kept(b), "", w.lanes[onCard]); errors.Is(err, slackapi.ErrThreadGone) {
		return nil // its card says so when it stands again
	}
	return err
}
