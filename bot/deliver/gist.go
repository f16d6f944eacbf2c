package deliver

import (
	"context"
	"fmt"
	"slices"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// gistsKept is how many plans are remembered in short; a card is drawn again and again.
const gistsKept = 64

// gist returns what all rows of a batch's plan come to. A plan never changes once it is sealed.
func (d *Deliverer) gist(ctx context.Context, b *workflow.Batch) (*view.Gist, error) {
	d.mu.Lock()
	known := d.gists[b.Digest]
	d.mu.Unlock()
	if known != nil {
		return known, nil
	}
	made := &view.Gist{}
	states := append(slices.Clone(view.PlannedStates()), workflow.ChangeBlocked)
	for after := 0; ; {
		page, err := d.store.Changes(ctx, b.Number, after, pageOfChanges, states...)
		if err != nil {
			return nil, fmt.Errorf("read the plan of batch %d: %w", b.Number, err)
		}
		for i := range page {
			made.Add(&page[i])
			after = page[i].Row
		}
		if len(page) < pageOfChanges {
			break
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.gists) == gistsKept {
		clear(d.gists)
	}
	d.gists[b.Digest] = made
	return made, nil
}
