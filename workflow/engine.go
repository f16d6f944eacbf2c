package workflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Config is what an Engine needs. All fields but Groups, FinishWithin and Log are required.
type Config struct {
	Store     Store
	Directory Directory
	Groups    Groups // of Atlassian; nil where no setting names one
	People    People
	OrgID     string

	Policy        Policy
	ExpiresAfter  time.Duration // of an undecided batch
	StartWithin   time.Duration // a batch that did not run for longer comes back paused
	FinishWithin  time.Duration // after its start, a closed window not counted, the rest needs approval again; 0 = no limit
	RequireReason bool
	Limits        ReadLimits
	Run           RunLimits

	Log zerolog.Logger
}

// RunLimits bound how a batch runs. The percentage counts from 20 finished changes.
type RunLimits struct {
	Workers           int // calls at the same time, at least 1
	Canary            int // first changes that go one at a time; a failure among them pauses
	StopAfterFailures int // in a row; 0 = never
	StopAtPercent     int // of the finished changes; 0 = never
	Window            Window
}

// Engine is the one place where batches change: people's acts come in as methods, and Run checks, runs, expires and ends
// batches by itself. The store is the truth; an Engine keeps nothing that it could not read there again.
type Engine struct {
	cfg     Config
	store   Store // cfg.Store, telling Changed of every write
	changed chan struct{}
	wake    chan struct{} // Run looks again

	following sync.Mutex // held while a batch is made of another one
	approving sync.Mutex // held while an approval is counted

	mu      sync.Mutex
	workers map[int64]*worker   // what Run has going, by batch
	resting map[int64]time.Time // a batch whose worker failed, and when it may be tried again
	trouble map[int64]trouble   // and with what
}

// trouble is what a batch's worker failed with, and when.
type trouble struct {
	err error
	at  time.Time
}

// New makes an Engine; it starts nothing.
func New(cfg Config) (*Engine, error) {
	switch {
	case cfg.Store == nil || cfg.Directory == nil || cfg.People == nil:
		return nil, errors.New("workflow: store, directory and people are required")
	case cfg.Policy.Check() != nil:
		return nil, fmt.Errorf("workflow: %w", cfg.Policy.Check())
	case cfg.Run.Workers < 1 || cfg.Run.Canary < 0:
		return nil, errors.New("workflow: at least one worker is required, and no negative canary")
	case cfg.ExpiresAfter <= 0 || cfg.StartWithin <= 0 || cfg.FinishWithin < 0:
		return nil, errors.New("workflow: the limits of an approval must be positive")
	}
	e := &Engine{
		cfg:     cfg,
		changed: make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		workers: map[int64]*worker{},
		resting: map[int64]time.Time{},
		trouble: map[int64]trouble{},
	}
	e.store = tellingStore{Store: cfg.Store, tell: func() { poke(e.changed) }}
	return e, nil
}

// Changed gives a pulse after writes: something in the store is other than it was. Several writes may be one pulse.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Request is what somebody asks for. Original are the bytes of the file, or the words of the command; everything else is
// read from them, now and after a crash.
type Request struct {
	Requester Person
	Author    Person // who posted the file; the zero Person means the requester
	Reason    string
	Verb      ActionName
	Source    Source
	Original  []byte
}

// Submit takes a request in and gives the batch as it stands then: being planned. What cannot be read at all comes back as
// a *FileError, *UsageError or *LimitError, ErrNeedsAction or ErrNothingToRead, and nothing is stored.
func (e *Engine) Submit(ctx context.Context, actor Actor, req Request) (*Batch, error) {
	if !actor.HasRole() {
		return nil, ErrNoRole
	}
	if req.Author.ID == "" {
		req.Author = req.Requester
	}
	sheet, err := e.read(req.Source.Kind, req.Original, req.Verb)
	switch {
	case err != nil:
		return nil, err
	case sheet.NeedsAction:
		return nil, ErrNeedsAction
	case len(sheet.Rows) == 0:
		return nil, ErrNothingToRead
	}
	if err := e.needsReason(ctx, req); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(req.Original)
	req.Source.SHA256 = hex.EncodeToString(sum[:])
	return e.create(ctx, &Batch{
		OrgID: e.cfg.OrgID, Requester: req.Requester, Author: req.Author, Reason: req.Reason, Verb: req.Verb,
		Source: req.Source, Rows: len(sheet.Rows), Ignored: sheet.Ignored,
	}, req.Original)
}

// Bounds of what comes with a request or a decision, in characters.
const (
	maxReason   = 1000
	maxFileName = 255
)

func (e *Engine) create(ctx context.Context, b *Batch, original []byte) (*Batch, error) {
	b.Reason, b.Source.FileName = cutAt(b.Reason, maxReason), cutAt(b.Source.FileName, maxFileName)
	b.State, b.Created = Planning, time.Now()
	b.Record(Event{At: b.Created, Actor: b.Requester.ID, Kind: EventAsked, Data: data(map[string]any{
		"author": b.Author.ID, "reason": b.Reason, "file": b.Source.FileName, "sha256": b.Source.SHA256, "rows": b.Rows,
		"follows": b.Follows,
	})})
	if err := e.store.Create(ctx, b, original); err != nil {
		return nil, fmt.Errorf("store the request: %w", err)
	}
	poke(e.wake)
	return b, nil
}

// read reads the bytes of a request, the same way each time.
func (e *Engine) read(kind SourceKind, original []byte, verb ActionName) (*Sheet, error) {
	if kind == SourceFile {
		return ReadCSV(bytes.Clone(original), verb, e.cfg.OrgID, e.cfg.Limits)
	}
	command, err := ParseCommand(string(original))
	if err != nil {
		return nil, err
	}
	if n := len(command.Rows); n > e.cfg.Limits.MaxRows {
		return nil, &LimitError{Rows: n, Limit: e.cfg.Limits.MaxRows}
	}
	return &Sheet{Rows: command.Rows}, nil
}

// Withdraw takes an undecided batch back; only its requester may.
func (e *Engine) Withdraw(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	b, err := e.endUnstarted(ctx, number, NewReason(ReasonNotRun, "withdrawn", nameOf(actor.Person)), func(b *Batch) error {
		if actor.ID != b.Requester.ID {
			return ErrNotRequester
		}
		if b.State != AwaitingApproval {
			return stateError(b, Cancelled)
		}
		return cancelNow(b, actor.Person, "withdrawn")
	})
	return b, e.toldHow(ctx, number, err)
}

// Cancel ends a batch for good: before the run at once; a started one when the calls in flight have been proved. Requester
// and admins may.
func (e *Engine) Cancel(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	b, err := e.endUnstarted(ctx, number, NewReason(ReasonNotRun, "cancelled", nameOf(actor.Person)), func(b *Batch) error {
		if err := mayCancel(b, actor); err != nil {
			return err
		}
		if !b.Started.IsZero() {
			return errStarted
		}
		return cancelNow(b, actor.Person, "cancelled")
	})
	if errors.Is(err, errStarted) {
		b, err = e.store.Update(ctx, number, func(b *Batch) error {
			if err := mayCancel(b, actor); err != nil {
				return err
			}
			now := time.Now()
			b.Ending = &Ending{By: actor.Person, How: Cancelled, At: now}
			b.Record(Event{At: now, Actor: actor.ID, Kind: "cancel"})
			return nil
		})
	}
	return e.answer(ctx, number, b, err)
}

// errStarted sends Cancel its other way: a run has begun, and its runner brings it to its end.
var errStarted = errors.New("the batch has started")

func mayCancel(b *Batch, actor Actor) error {
	switch {
	case !actor.HasRole():
		return ErrNoRole
	case !actor.Admin && actor.ID != b.Requester.ID:
		return ErrNotRequester
	case !b.State.Open(), b.Cancelling():
		return stateError(b, Cancelled)
	}
	return nil
}

func cancelNow(b *Batch, by Person, kind string) error {
	now := time.Now()
	b.Ending = &Ending{By: by, How: Cancelled, Reason: kind, At: now}
	b.Record(Event{At: now, Actor: by.ID, Kind: kind})
	return b.end(Cancelled, now)
}

// endUnstarted applies a rule that ends a batch before its run, and makes what was ready skipped, in one transaction.
func (e *Engine) endUnstarted(ctx context.Context, number int64, why Reason, rule func(*Batch) error) (*Batch, error) {
	b, err := e.store.UpdateChanges(ctx, number, ChangeReady, func(c *Change) error {
		c.Reason = why
		if c.Step > 0 { // no call for it can be made any more
			c.Reason = NewReason(ReasonStuck, c.Steps[c.Step-1].To, c.OldEmail, why.Words())
		}
		return c.Move(ChangeSkipped)
	}, rule)
	if err == nil {
		e.nudge(number)
	}
	return b, err
}

// Pause stops a batch that may run or runs. Anyone with a role may.
func (e *Engine) Pause(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	b, err := e.store.Update(ctx, number, func(b *Batch) error {
		if !actor.HasRole() {
			return ErrNoRole
		}
		if b.State != Approved && b.State != Running || b.Cancelling() {
			return stateError(b, Paused)
		}
		now := time.Now()
		b.Record(Event{At: now, Actor: actor.ID, Kind: "paused", Data: data(map[string]any{"cause": StopPerson})})
		return b.pause(Stop{Cause: StopPerson, By: actor.Person, At: now})
	})
	return e.answer(ctx, number, b, err)
}

// Resume lets a paused batch go on. Admins may; after a stop by the bot not the requester, nor the author.
func (e *Engine) Resume(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	b, err := e.guarded(ctx, number, func(b *Batch) error {
		switch {
		case !actor.HasRole():
			return ErrNoRole
		case b.State != Paused, b.Cancelling():
			return stateError(b, Running)
		case !actor.Admin:
			return ErrNotAdmin
		case b.Stop.ByBot() && (b.involves(actor.Person) || b.askedAs(actor.Person)):
			return ErrMayNotResume
		case b.OrgID != e.cfg.OrgID:
			return ErrOtherOrg
		}
		return nil
	}, func(b *Batch) error {
		now := time.Now()
		b.Record(Event{At: now, Actor: actor.ID, Kind: "resumed", Data: data(map[string]any{"after": b.Stop.Cause})})
		b.Stop, b.Resumed = Stop{}, now
		return b.Move(b.PausedFrom)
	})
	return e.answer(ctx, number, b, err)
}

// answer passes on what a rule about the batch came to, and tells the batch's worker when it was changed.
func (e *Engine) answer(ctx context.Context, number int64, b *Batch, err error) (*Batch, error) {
	if err == nil {
		e.nudge(number)
	}
	return b, e.toldHow(ctx, number, err)
}

// toldHow gives a *StateError the batch as it is, so that whoever was too late learns who did what and when.
func (e *Engine) toldHow(ctx context.Context, number int64, err error) error {
	state, ok := errors.AsType[*StateError](err)
	if !ok || state.Batch != nil {
		return err
	}
	b, loadErr := e.store.Batch(ctx, number)
	if loadErr != nil {
		return errors.Join(err, loadErr)
	}
	return stateError(b, state.Wanted)
}

func stateError(b *Batch, wanted State) error {
	return &StateError{Number: b.Number, State: b.State, Wanted: wanted, Batch: b}
}

// nameOf is how a person is named in a reason.
func nameOf(p Person) string {
	if p.Name != "" {
		return p.Name
	}
	return p.ID
}

// tellingStore tells of every write.
type tellingStore struct {
	Store
	tell func()
}

func (s tellingStore) Create(ctx context.Context, b *Batch, original []byte) error {
	defer s.tell()
	return s.Store.Create(ctx, b, original)
}

func (s tellingStore) Update(ctx context.Context, number int64, rule func(*Batch) error) (*Batch, error) {
	defer s.tell()
	return s.Store.Update(ctx, number, rule)
}

func (s tellingStore) Seal(
	ctx context.Context, number int64, changes []Change, hold []string, rule func(*Batch) error,
) (*Batch, error) {
	defer s.tell()
	return s.Store.Seal(ctx, number, changes, hold, rule)
}

func (s tellingStore) Revive(
	ctx context.Context, number int64, rows []int, hold []string, each func(*Change) error, rule func(*Batch) error,
) (*Batch, error) {
	defer s.tell()
	return s.Store.Revive(ctx, number, rows, hold, each, rule)
}

func (s tellingStore) UpdateChange(
	ctx context.Context, number int64, row int, rule func(*Batch, *Change) error,
) (*Batch, *Change, error) {
	defer s.tell()
	return s.Store.UpdateChange(ctx, number, row, rule)
}

func (s tellingStore) UpdateChanges(
	ctx context.Context, number int64, in ChangeState, each func(*Change) error, rule func(*Batch) error,
) (*Batch, error) {
	defer s.tell()
	return s.Store.UpdateChanges(ctx, number, in, each, rule)
}
