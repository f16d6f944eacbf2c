package workflow

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// runSeal is what a run holds its steps against, so that nothing goes out that people have not approved, also when somebody
// has changed the database since. It is taken when the run is loaded.
type runSeal struct {
	altered bool                      // the batch is not what people approved
	steps   map[int][sha256.Size]byte // seq → hash
}

// note takes in the steps of a change.
func (s *runSeal) note(steps []Step) {
	if s.steps == nil {
		s.steps = map[int][sha256.Size]byte{}
	}
	for _, step := range steps {
		s.steps[step.Seq] = sha256.Sum256(step.Text())
	}
}

// close compares what was noted with what was approved: the digest is that of all steps in running order, and enough people
// approved it, none of them its requester or author.
func (s *runSeal) close(b *Batch) {
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
	approved := 0
	for _, p := range b.Approvers() {
		if !b.involves(p) {
			approved++
		}
	}
	s.altered = hexHash(digestText(b, hashes)) != b.Digest || approved < max(b.Approvals, 1)
}

// holds says whether a step is the one that people approved.
func (s *runSeal) holds(step Step) bool {
	want, known := s.steps[step.Seq]
	return known && !s.altered && sha256.Sum256(step.Text()) == want
}
