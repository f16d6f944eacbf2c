package workflow

// MayApprove says by an error why the person may not approve the batch that waits for approval, as far as it depends on who
// they are; nil when they may. It is for telling people apart, and decides nothing: Decide looks again.
func MayApprove(b *Batch, actor Actor) error {
	for _, p := range b.Approvers() {
		if p.ID == actor.ID {
			return ErrAlready
		}
	}
	return mayDecide(b, actor, Approve)
}
