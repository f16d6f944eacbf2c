package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// integrity is what a run holds its steps against, so that nothing goes out that people have not
// approved, also when somebody has changed the database since. It is taken when the run is loaded.
type integrity struct {
	altered bool                      // the batch is not what people approved
	steps   map[int][sha256.Size]byte // seq → hash
}

// note takes in the steps of a change.
func (s *integrity) note(steps []workflow.Step) {
	if s.steps == nil {
		s.steps = map[int][sha256.Size]byte{}
	}
	for _, step := range steps {
		s.steps[step.Seq] = sha256.Sum256(step.Text())
	}
}

// close compares what was noted with what was approved: the digest is that of all steps in running
// order, and enough people approved it, none of them its requester or author.
func (s *integrity) close(b *workflow.Batch) {
	approved := 0
	for _, p := range b.Approvers() {
		if !b.Involves(p) {
			approved++
		}
	}
	s.altered = s.otherDigest(b) || approved < max(b.Approvals, 1)
}

// otherDigest reports whether the digest of the batch is not that of the steps.
func (s *integrity) otherDigest(b *workflow.Batch) bool {
	order := make([]int, 0, len(s.steps))
	for seq := range s.steps {
		order = append(order, seq)
	}
	slices.Sort(order)
	hashes := make([]string, len(order))
	for i, seq := range order {
		hash := s.steps[seq]
		hashes[i] = hex.EncodeToString(hash[:])
	}
	return workflow.DigestOfHashes(b, hashes) != b.Digest
}

// closeReturn does for a return what close does for others: nobody approved it by itself, but the
// plan that it takes back, with its end. So that plan must be the one that was approved, and the
// return must be what follows from it.
func (r *runner) closeReturn(ctx context.Context, b *workflow.Batch) error {
	first, err := r.cfg.Store.Batch(ctx, b.Follows)
	if err != nil {
		return err
	}
	var of integrity
	var planned []workflow.Change
	for after := 0; ; {
		page, err := r.cfg.Store.Changes(ctx, first.Number, after, pageOfChanges)
		if err != nil {
			return err
		}
		for i := range page {
			after = page[i].Row
			of.note(page[i].Steps)
			planned = append(planned, workflow.Change{
				Row: page[i].Row, Action: page[i].Action, AccountID: page[i].AccountID, Steps: page[i].Steps,
			})
		}
		if len(page) < pageOfChanges {
			break
		}
	}
	of.close(first)
	var want integrity
	for _, c := range action.ReturnOf(planned) {
		want.note(c.Steps)
	}
	r.integrity.altered = of.altered || r.integrity.otherDigest(b) || !maps.Equal(want.steps, r.integrity.steps)
	return nil
}

// holds reports whether a step is the one that people approved.
func (s *integrity) holds(step workflow.Step) bool {
	want, known := s.steps[step.Seq]
	return known && !s.altered && sha256.Sum256(step.Text()) == want
}
