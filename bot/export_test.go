package bot

// SocketCount is how many connections stand at once.
const SocketCount = socketCount

// Pending reports whether something came that could not be dealt with.
func (b *Bot) Pending() bool { return b.intake.pending() }

// CatchUp has what was missed looked for now, as after a time without a connection.
func (b *Bot) CatchUp() { b.intake.requestCatchUp() }

// SetRoom lets so many commands wait, and returns how many could before.
func (b *Bot) SetRoom(n int) (before int) { return b.lanes[asking].setRoom(n) }

// SetAnswerRoom does the same for answers.
func (b *Bot) SetAnswerRoom(n int) (before int) { return b.lanes[answering].setRoom(n) }

func (q *queue) setRoom(n int) (before int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before, q.cap = q.cap, n
	return before
}
