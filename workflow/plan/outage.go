package plan

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
)

// How long a check asks a directory that does not answer.
const (
	// checkBudget is how long the check goes on asking while nothing is answered at all. What is
	// not known by then "could not be checked".
	checkBudget = time.Minute
	checkPause  = 2 * time.Second // between two tries; the reader has retried within itself before that
	pauseAtMost = time.Minute     // of what asks to wait; whoever keeps the limit lets no call out too soon
	probeEvery  = 5 * time.Second // once the budget is spent, one row is still asked about this often
	// loneBudget is how long a read is repeated that alone is not answered while others are: then its
	// row "could not be checked", and leaves its worker to the others.
	loneBudget = 5 * time.Minute
)

// outageBudget is how long all reads of a check together wait for a directory that answers nothing,
// the reads themselves included. One answer starts it anew. Once it is spent, what is left is not asked
// about any more, but for one probe now and then: neither 5,000 rows nor the pieces of one search may
// each wait for a timeout, however long a reader tries by itself.
type outageBudget struct {
	mu     sync.Mutex
	answer time.Time // when the last answer came
	since  time.Time // when the first read began that failed after it, no earlier than it; zero where none did
	last   error
	probe  time.Time // when the last read ended that found it spent, or began that was made although it was
}

// ask repeats the read until it is answered, for good or with a no, or the budget is spent, or its own
// while others are answered. A limit of calls spends none of it, however long it lasts.
func (p *outageBudget) ask(ctx context.Context, read func() error) error {
	var alone time.Time // when the first read failed of those that failed one after the other
	for {
		if err := p.spent(); err != nil {
			return err
		}
		began := time.Now()
		err := read()
		if err == nil || !errors.Is(err, workflow.ErrUnavailable) && !errors.Is(err, workflow.ErrThrottled) {
			p.answered()
			return err
		}
		if alone.IsZero() {
			alone = time.Now()
		}
		pause := checkPause
		if wait, ok := errors.AsType[interface {
			error
			workflow.RetryAfter
		}](err); ok { // it answers, and asks to wait: that is no outage
			p.answered()
			alone = time.Time{}
			pause = max(pause, min(wait.RetryAfter(), pauseAtMost))
		} else if p.failed(began, err) || time.Since(alone) >= loneBudget {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

func (p *outageBudget) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.since = time.Now(), time.Time{}
}

// failed notes a read without an answer that began then, and reports whether that was the last one. What
// was answered while it was under way starts the budget anew, too.
func (p *outageBudget) failed(began time.Time, err error) (enough bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = err
	if p.since.IsZero() {
		if p.since = began; p.answer.After(began) {
			p.since = p.answer
		}
	}
	if time.Since(p.since) < checkBudget {
		return false
	}
	p.probe = time.Now()
	return true
}

// spent gives the last error when nothing more should be asked now.
func (p *outageBudget) spent() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.since.IsZero() || now.Sub(p.since) < checkBudget {
		return nil
	}
	if now.Sub(p.probe) >= probeEvery {
		p.probe = now
		return nil
	}
	return p.last
}
