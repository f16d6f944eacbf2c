package engine_test

import (
	"context"
	"errors"
	"sync"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// power is what a life of the program runs on. It fails after a number of effects: from then on
// nothing is written and nothing is sent, as when a machine dies between two lines.
type power struct {
	mu   sync.Mutex
	left int // effects until it fails; negative = never
	dead bool
}

// use is called before and after every effect, so that power can fail on both sides of it.
func (p *power) use() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		p.dead = true
	}
	p.left--
	if p.dead {
		return errDeath
	}
	return nil
}

func (p *power) failAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

func (p *power) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// mortalStore is the store as a program sees it whose power fails.
type mortalStore struct {
	workflow.Store
	*power
}

func (m mortalStore) Create(
	ctx context.Context, b *workflow.Batch, rows []workflow.Row, original []byte, rule func([]*workflow.Batch) error,
) error {
	if err := m.use(); err != nil {
		return err
	}
	return errors.Join(m.Store.Create(ctx, b, rows, original, rule), m.use())
}

func (m mortalStore) Update(ctx context.Context, n int64, rule func(*workflow.Batch) error) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.Update(ctx, n, rule)
	return b, cmpErr(err, m.use())
}

func (m mortalStore) SavePlan(
	ctx context.Context, n int64, changes []workflow.Change, hold []string, rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.SavePlan(ctx, n, changes, hold, rule)
	return b, cmpErr(err, m.use())
}

func (m mortalStore) UpdateChange(
	ctx context.Context, n int64, row int, rule func(*workflow.Batch, *workflow.Change) error,
) (*workflow.Batch, *workflow.Change, error) {
	if err := m.use(); err != nil {
		return nil, nil, err
	}
	b, c, err := m.Store.UpdateChange(ctx, n, row, rule)
	return b, c, cmpErr(err, m.use())
}

func (m mortalStore) UpdateChanges(
	ctx context.Context, n int64, in workflow.ChangeState, each func(*workflow.Change) error,
	rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.UpdateChanges(ctx, n, in, each, rule)
	return b, cmpErr(err, m.use())
}

func (m mortalStore) Revive(
	ctx context.Context, n int64, rows []int, hold []string, each func(*workflow.Change) error, rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.Revive(ctx, n, rows, hold, each, rule)
	return b, cmpErr(err, m.use())
}

func cmpErr(err, after error) error {
	if err != nil {
		return err
	}
	return after
}

// mortalDirectory is the directory as that program sees it.
type mortalDirectory struct {
	*workflowtest.Organisation
	*power
}

func (m mortalDirectory) call(call func() error) error {
	if err := m.use(); err != nil {
		return err
	}
	return cmpErr(call(), m.use())
}

func (m mortalDirectory) For(int64) workflow.Directory { return m }

func (m mortalDirectory) Call(ctx context.Context, call workflow.Call) (told workflow.Values, err error) {
	err = m.call(func() (err error) {
		told, err = m.Organisation.Call(ctx, call)
		return err
	})
	return told, err
}
