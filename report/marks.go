package report

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
)

// Marks knows which accounts no draft may have.
type Marks interface {
	// Marked returns the marks of those of the accounts that have one, by id. Of accounts of which that
	// cannot be found out it is workflow.MarkUnknown. The error is that of a read that failed as a whole.
	Marked(ctx context.Context, accounts []workflow.Account) (map[string]workflow.Mark, error)
}

// marked returns the marks of the accounts. It fails closed: where nobody can be asked, each is
// marked so; the error says why.
func marked(ctx context.Context, marks Marks, accounts []workflow.Account) (map[string]workflow.Mark, error) {
	if marks == nil || len(accounts) == 0 {
		return nil, nil
	}
	found, err := marks.Marked(ctx, accounts)
	if err == nil {
		return found, nil
	}
	found = make(map[string]workflow.Mark, len(accounts))
	for _, a := range accounts {
		found[a.ID] = workflow.MarkUnknown
	}
	return found, err
}

// marksFor is how long the marks of a run's accounts are believed: its message, which may be made several
// times, is to say the same.
const marksFor = 10 * time.Minute

// marksOfRun remembers the marks of the accounts of the run that was looked at last.
type marksOfRun struct {
	log   zerolog.Logger
	mu    sync.Mutex
	run   int64
	read  time.Time
	marks map[string]workflow.Mark
	why   string
}

// of returns the marks of the accounts of a run, read a short while ago at most; also that they could
// not be read is remembered, and unread says why, as a clause.
func (m *marksOfRun) of(
	ctx context.Context, marks Marks, run int64, accounts []workflow.Account,
) (found map[string]workflow.Mark, unread string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == run && time.Since(m.read) < marksFor {
		return m.marks, m.why, nil
	}
	found, err = marked(ctx, marks, accounts)
	if ctx.Err() != nil {
		return nil, "", err
	}
	m.run, m.read, m.marks, m.why = run, time.Now(), found, ""
	if err != nil {
		m.log.Warn().Err(err).Int64("run", run).Msg("find out which accounts no draft may have")
		m.why = why(err)
	}
	return found, m.why, nil
}
