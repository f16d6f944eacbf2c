package deliver

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// theirs writes the rows of a whole domain that the identity provider's team alone can change, for
// that team.
func (d *Deliverer) theirs(ctx context.Context, b *workflow.Batch) ([]byte, error) {
	var buf bytes.Buffer
	var failed error
	rows := func(yield func([]string) bool) {
		failed = d.eachOfTheirs(ctx, b, func(row []string) bool { return yield(row) })
	}
	if err := sheet.WriteCSV(&buf, sheet.IdentityProviderHeader(), iter.Seq[[]string](rows)); err != nil {
		return nil, err
	}
	return buf.Bytes(), failed
}

// theirsName is the name of the file with them.
const theirsName = "identity-provider"

// countTheirs counts these rows while the file, which is remembered under the key, is still to be
// put into the thread; 0 once it is there.
func (d *Deliverer) countTheirs(ctx context.Context, l *snapshot, key string) (n int, err error) {
	refused := func(g workflow.Group) bool {
		return g.State == workflow.ChangeBlocked && g.Code == workflow.ReasonNotAllowed
	}
	if !slices.ContainsFunc(l.Summary.Groups, refused) {
		return 0, nil
	}
	if p, known, err := d.store.Post(ctx, key); err != nil || known && p.TS != "" {
		return 0, err
	}
	err = d.eachOfTheirs(ctx, l.Batch, func([]string) bool { n++; return true })
	return n, err
}

func (d *Deliverer) eachOfTheirs(ctx context.Context, b *workflow.Batch, take func(row []string) bool) error {
	for after := 0; ; {
		page, err := d.store.Changes(ctx, b.Number, after, pageOfChanges, workflow.ChangeBlocked)
		if err != nil {
			return err
		}
		for _, c := range page {
			after = c.Row
			if row, theirs := sheet.IdentityProviderRow(c); theirs && !take(row) {
				return nil
			}
		}
		if len(page) < pageOfChanges {
			return nil
		}
	}
}
