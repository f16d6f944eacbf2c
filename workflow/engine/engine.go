package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/run"
)

// Config is what an Engine needs. All fields but Lookups, Past, FinishWithin, Random and Log are
// required.
type Config struct {
	Store     workflow.Store
	Directory Directory
	Lookups   workflow.Lookups // what people ask; nil where nobody does
	Past      Past             // of accounts; nil where nobody asks
	People    workflow.People
	OrgID     string

	Policy        workflow.Policy
	ExpiresAfter  time.Duration // of an undecided batch
	StartWithin   time.Duration // a batch that did not run for longer comes back paused
	FinishWithin  time.Duration // after its start, a closed window not counted, the rest needs approval again; 0 = no limit
	RequireReason bool
	Limits        workflow.ReadLimits
	Run           run.Limits

	// Nights is what the nightly snapshots have kept; nil where there are none.
	Nights workflow.Nights

	// WentBack returns when the database was last found to have gone back in time, as after a
	// restore; the zero time when it never was. nil where nobody looks for that.
	WentBack func(context.Context) (time.Time, error)

	Random io.Reader // for the ids of batches; nil means that of the operating system

	Log zerolog.Logger
}

// Directory is the organisation as an Engine needs it.
type Directory interface {
	workflow.Directory
	// For returns the directory for work on the batch of that number. Where calls have to wait, as
	// at a rate limit, one that knows the batches lets them take turns.
	For(batch int64) workflow.Directory
}

// wentBack reports whether the database was found to have gone back in time after the batch was
// asked for: then the batch, or the one that was made of the same message before, may have done
// things that the log does not know.
func (e *Engine) wentBack(ctx context.Context, b *workflow.Batch) (bool, error) {
	if e.cfg.WentBack == nil {
		return false, nil
	}
	at, err := e.cfg.WentBack(ctx)
	if err != nil {
		return false, fmt.Errorf("ask whether the database went back in time: %w", err)
	}
	return b.Created.Before(at) || sentBefore(b.Source.Message, at), nil
}

// sentBefore reports whether a message of Slack, whose timestamp counts seconds since 1970, was
// sent before the moment.
func sentBefore(message string, at time.Time) bool {
	seconds, err := strconv.ParseFloat(message, 64)
	return err == nil && seconds > 0 && seconds < float64(at.Unix())
}

// Engine is the one place where batches change: people's acts come in as methods, and Run checks,
// runs, expires and ends batches by itself. The store is the truth; an Engine keeps nothing that it
// could not read there again.
type Engine struct {
	cfg   Config
	store workflow.Store
	wake  chan struct{} // Run looks again

	mu      sync.Mutex
	workers map[int64]*worker   // what Run has going, by batch
	resting map[int64]time.Time // a batch whose worker failed, and when it may be tried again
	trouble map[int64]trouble   // and with what
	returns map[int64]bool      // returns that are run, and have not ended
}

// trouble is what a batch's worker failed with, and when.
type trouble struct {
	err error
	at  time.Time
}

// New makes an Engine; it starts nothing.
func New(cfg Config) (*Engine, error) {
	switch {
	case cfg.Store == nil || cfg.Directory == nil || cfg.People == nil || cfg.Policy == nil:
		return nil, errors.New("workflow: store, directory, people and policy are required")
	case cfg.Policy.Check() != nil:
		return nil, fmt.Errorf("workflow: %w", cfg.Policy.Check())
	case cfg.Run.Workers < 1 || cfg.Run.Canary < 0:
		return nil, errors.New("workflow: at least one worker is required, and no negative canary")
	case cfg.ExpiresAfter <= 0 || cfg.StartWithin <= 0 || cfg.FinishWithin < 0:
		return nil, errors.New("workflow: the limits of an approval must be positive")
	}
	if cfg.Run.Window == nil {
		cfg.Run.Window = workflow.AlwaysOpen{}
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	e := &Engine{
		cfg:     cfg,
		store:   cfg.Store,
		wake:    make(chan struct{}, 1),
		workers: map[int64]*worker{},
		resting: map[int64]time.Time{},
		trouble: map[int64]trouble{}, returns: map[int64]bool{},
	}
	return e, nil
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Submit takes a request in and gives the batch as it stands then: being planned. Rows that do not
// say what is to happen are a *NeedsActionError, none are ErrNothingToRead, too many a *LimitError;
// then nothing is stored.
func (e *Engine) Submit(ctx context.Context, actor workflow.Actor, req workflow.Request) (*workflow.Batch, error) {
	if err := workflow.May(workflow.ActAsk, nil, actor); err != nil {
		return nil, err
	}
	switch {
	case req.NeedsAction:
		return nil, &workflow.NeedsActionError{Unknown: req.Unknown, Rows: len(req.Rows)}
	case len(req.Rows) == 0:
		return nil, workflow.ErrNothingToRead
	}
	if err := e.withinLimit(req.Rows); err != nil {
		return nil, err
	}
	if e.cfg.RequireReason && strings.TrimSpace(req.Reason) == "" {
		return nil, workflow.ErrNeedsReason
	}
	return e.record(ctx, req)
}

// record makes a batch of a request that may be taken.
func (e *Engine) record(ctx context.Context, req workflow.Request) (*workflow.Batch, error) {
	if err := checkWhen(&req); err != nil {
		return nil, err
	}
	if req.Author.ID == "" {
		req.Author = req.Requester
	}
	if req.Original == nil {
		req.Original = []byte{}
	}
	sum := sha256.Sum256(req.Original)
	req.Source.SHA256 = hex.EncodeToString(sum[:])
	return e.create(ctx, &workflow.Batch{OrgID: e.cfg.OrgID, BatchRequest: workflow.BatchRequest{
		Requester: req.Requester, Author: req.Author, Reason: req.Reason, OwnReason: req.OwnReason, Verb: req.Verb,
		When: req.When, Source: req.Source, Header: req.Header, Ignored: req.Ignored,
	}}, req.Rows, req.Original, nil)
}

// checkWhen refuses times that cannot be asked for, by themselves or with these rows.
func checkWhen(req *workflow.Request) error {
	now := time.Now()
	if err := req.When.Check(now); err != nil {
		return err
	}
	for i := range req.Rows {
		if a, built := action.For(req.Rows[i].Action); built && a.Longest > 0 {
			if err := req.When.CheckLasting(a.Name, a.Longest, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// token makes the random id of a batch.
func (e *Engine) token() (string, error) {
	raw := make([]byte, tokenBytes)
	if _, err := io.ReadFull(e.cfg.Random, raw); err != nil {
		return "", fmt.Errorf("make the id of a batch: %w", err)
	}
	return hex.EncodeToString(raw), nil
}

// withinLimit refuses more rows than limits.max_changes allows.
func (e *Engine) withinLimit(rows []workflow.Row) error {
	if limit := e.cfg.Limits.MaxRows; limit > 0 && len(rows) > limit {
		return &workflow.LimitError{Rows: len(rows), Limit: limit}
	}
	return nil
}

// Bounds of what comes with a request or a decision, in characters.
const (
	maxReason   = 1000
	maxFileName = 255
	tokenBytes  = 16
)

// create stores a request. The rule is that of Batches.Create.
func (e *Engine) create(
	ctx context.Context, b *workflow.Batch, rows []workflow.Row, original []byte, rule func(following []*workflow.Batch) error,
) (*workflow.Batch, error) {
	b.Rows = len(rows)
	b.Reason, b.Source.FileName = workflow.CutAt(b.Reason, maxReason), workflow.CutAt(b.Source.FileName, maxFileName)
	token, err := e.token()
	if err != nil {
		return nil, err
	}
	b.State, b.Created, b.Token = workflow.Planning, time.Now(), token
	b.Record(workflow.Event{At: b.Created, Actor: b.Requester.ID, Kind: workflow.EventAsked, Data: workflow.EventData(map[string]any{
		"author": b.Author.ID, "reason": b.Reason, "file": b.Source.FileName, "sha256": b.Source.SHA256, "rows": b.Rows,
		"follows": b.Follows,
	})})
	if err := e.store.Create(ctx, b, rows, original, rule); err != nil {
		return nil, fmt.Errorf("store the request: %w", err)
	}
	poke(e.wake)
	return b, nil
}

// Withdraw takes an undecided batch back; only its requester may.
func (e *Engine) Withdraw(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	b, err := e.endUnstarted(ctx, number, workflow.NewReason(workflow.ReasonNotRun, "withdrawn", nameOf(actor.Person)), func(b *workflow.Batch) error {
		if err := workflow.May(workflow.ActWithdraw, b, actor); err != nil {
			return err
		}
		return cancelNow(b, actor.Person, "withdrawn")
	})
	return b, e.toldHow(ctx, number, err)
}

// Cancel ends a batch for good: before the run at once; a started one when the calls in flight have
// been proved. Requester and admins may.
func (e *Engine) Cancel(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	b, err := e.endUnstarted(ctx, number, workflow.NewReason(workflow.ReasonNotRun, "cancelled", nameOf(actor.Person)), func(b *workflow.Batch) error {
		if err := workflow.May(workflow.ActCancel, b, actor); err != nil {
			return err
		}
		if !b.Started.IsZero() {
			return errStarted
		}
		return cancelNow(b, actor.Person, "cancelled")
	})
	if errors.Is(err, errStarted) {
		b, err = e.store.Update(ctx, number, func(b *workflow.Batch) error {
			if err := workflow.May(workflow.ActCancel, b, actor); err != nil {
				return err
			}
			now := time.Now()
			b.Ending = &workflow.Ending{By: actor.Person, How: workflow.Cancelled, At: now}
			b.Record(workflow.Event{At: now, Actor: actor.ID, Kind: "cancel"})
			return nil
		})
	}
	return e.answer(ctx, number, b, err)
}

// errStarted sends Cancel its other way: a run has begun, and its runner brings it to its end.
var errStarted = errors.New("the batch has started")

func cancelNow(b *workflow.Batch, by workflow.Person, kind string) error {
	now := time.Now()
	b.Ending = &workflow.Ending{By: by, How: workflow.Cancelled, Reason: kind, At: now}
	b.Record(workflow.Event{At: now, Actor: by.ID, Kind: kind})
	return b.End(workflow.Cancelled, now)
}

// endUnstarted applies a rule that ends a batch before its run, and makes what was ready skipped,
// in one transaction.
func (e *Engine) endUnstarted(ctx context.Context, number int64, why workflow.Reason, rule func(*workflow.Batch) error) (*workflow.Batch, error) {
	b, err := e.store.UpdateChanges(ctx, number, workflow.ChangeReady, func(c *workflow.Change) error {
		c.Reason = why
		made := c.Proved()
		switch {
		case made > 0 && c.Steps[0].Bundle != 0: // no call for it can be made any more
			c.Reason = workflow.NewReason(workflow.ReasonStuck, c.Steps[made-1].Set.Get(workflow.FieldEmail), c.OldEmail(), why.Words())
		case made > 0: // what was made stays, and can be undone
			for i := range c.Steps {
				if c.Outcome(i).State == "" {
					c.Conclude(i, workflow.ChangeSkipped, why)
				}
			}
			state, reason := c.Sum()
			c.Reason, c.Finished = reason, time.Now()
			return c.Move(state)
		}
		return c.Move(workflow.ChangeSkipped)
	}, rule)
	if err == nil {
		e.nudge(number)
	}
	return b, err
}

// Pause stops a batch that may run or runs. Anyone with a role may.
func (e *Engine) Pause(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	b, err := e.store.Update(ctx, number, func(b *workflow.Batch) error {
		if err := workflow.May(workflow.ActPause, b, actor); err != nil {
			return err
		}
		now := time.Now()
		b.Record(workflow.Event{At: now, Actor: actor.ID, Kind: "paused", Data: workflow.EventData(map[string]any{"cause": workflow.StopPerson})})
		return b.Pause(workflow.Stop{Cause: workflow.StopPerson, By: actor.Person, At: now})
	})
	return e.answer(ctx, number, b, err)
}

// Resume lets a paused batch go on. Admins may; after a stop by the bot not the requester, nor the
// author.
func (e *Engine) Resume(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	b, err := e.guarded(ctx, number, actor, func(b *workflow.Batch) error {
		if err := workflow.May(workflow.ActResume, b, actor); err != nil {
			return err
		}
		return workflow.Require(b.OrgID == e.cfg.OrgID, workflow.ErrOtherOrg)
	}, func(b *workflow.Batch) error {
		now := time.Now()
		b.Record(workflow.Event{At: now, Actor: actor.ID, Kind: "resumed", Data: workflow.EventData(map[string]any{"after": b.Stop.Cause})})
		b.Stop, b.Resumed, b.ResumedBy = workflow.Stop{}, now, &workflow.Release{By: actor.Person, At: now}
		return b.Move(b.PausedFrom)
	})
	return e.answer(ctx, number, b, err)
}

// answer passes on what a rule about the batch came to, and tells the batch's worker when it was
// changed.
func (e *Engine) answer(ctx context.Context, number int64, b *workflow.Batch, err error) (*workflow.Batch, error) {
	if err == nil {
		e.nudge(number)
	}
	return b, e.toldHow(ctx, number, err)
}

// toldHow gives a *StateError the batch as it is, so that whoever was too late learns who did what
// and when.
func (e *Engine) toldHow(ctx context.Context, number int64, err error) error {
	state, ok := errors.AsType[*workflow.StateError](err)
	if !ok || state.Batch != nil {
		return err
	}
	b, loadErr := e.store.Batch(ctx, number)
	if loadErr != nil {
		return errors.Join(err, loadErr)
	}
	return workflow.NewStateError(b, state.Wanted)
}

// nameOf is how a person is named in a reason.
func nameOf(p workflow.Person) string {
	if p.Name != "" {
		return p.Name
	}
	return p.ID
}
