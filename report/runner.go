package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
)

// How the runner waits.
const (
	// nap is the longest single wait: after a sleep of the machine or a change of its clock the
	// wall clock is looked at within this time.
	nap = time.Minute
	// storePause is how long it waits after the store refused something.
	storePause = time.Minute
	// putBack is how long a try that is called off may take to write that down.
	putBack = 3 * time.Second
)

// defaultKeep is how many nights are kept where nothing is said.
const defaultKeep = 400

// again returns the delays after which a failed run is tried again, counted from the end of its
// first try.
func again() []time.Duration { return []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour} }

// Definition is a report as the settings name it.
type Definition struct {
	Name     string
	Kind     KindName
	Schedule string         // a cron line; "" for a report that runs only when asked for
	Location *time.Location // of the schedule and of the dates; nil is UTC
	Keep     int            // nights; 0 is 400
	Days     int            // without activity after which an account is inactive; 0 is 90
	Site     string         // name of the site that it is about; "" where it is about none
	// AlarmOver is how many changes that nothing explains are no alarm yet; nil: any number.
	AlarmOver *int
	Channel   string // id of the channel in Slack; "" is that of all reports
}

// Config is what a Runner needs.
type Config struct {
	Reports []Definition
	Members workflow.Members
	Store   Store
	Prices  Prices
	Marks   Marks // nil: nobody is marked
	Sites   workflow.SiteMembers
	Owners  workflow.Owners // nil: who decides about accounts is not read
	OrgLog  workflow.Log    // the organisation's own log; nil: it is not asked
	// Finished is told of every run that ended, so that somebody may look at Unposted; nil for
	// nobody. It must not block.
	Finished func()
	Log      zerolog.Logger
}

// Runner runs the reports.
type Runner struct {
	from     Sources
	store    Store
	finished func()
	log      zerolog.Logger
	reports  []*entry
	reading  chan struct{}         // holds a token while the directory is being read: one report at a time
	first    chan chan<- firstRead // who needs a night before there is one
}

// entry is a report with its schedule.
type entry struct {
	Definition
	schedule *Schedule     // nil when it only runs when asked for
	unlisted bool          // a kind that nobody set up, for people who ask for it
	wake     chan struct{} // holds a token when there is something new
	// looked is up to when the schedule has been looked at, should its latest run lie in the
	// future.
	looked time.Time
}

// New checks the definitions and starts nothing. A report of a kind that is not supported yet is
// listed and never runs.
func New(cfg Config) (*Runner, error) {
	if cfg.Members == nil || cfg.Store == nil {
		return nil, errors.New("make a report runner: members and store are needed")
	}
	r := &Runner{
		from: Sources{
			Members: cfg.Members, Store: cfg.Store, Results: cfg.Store, Prices: cfg.Prices, Marks: cfg.Marks,
			Sites: cfg.Sites, Log: cfg.OrgLog, Logbook: cfg.Store, owners: &ownersRead{from: cfg.Owners}, marks: &marksOfRun{log: cfg.Log},
		},
		store: cfg.Store, finished: cfg.Finished, log: cfg.Log, reading: make(chan struct{}, 1),
		first: make(chan chan<- firstRead),
	}
	if r.finished == nil {
		r.finished = func() {}
	}
	for _, d := range cfg.Reports {
		if r.find(d.Name) != nil {
			return nil, fmt.Errorf("make a report runner: two reports are named %s", d.Name)
		}
		e, err := newEntry(d)
		if err != nil {
			return nil, fmt.Errorf("make report %s: %w", d.Name, err)
		}
		r.reports = append(r.reports, e)
	}
	// People may ask for a report by its kind when nothing is set up.
	for _, k := range kinds() {
		if r.find(string(k.Name)) == nil && k.Name != SiteUsers { // of which site, only the settings say
			e, err := newEntry(Definition{Name: string(k.Name), Kind: k.Name})
			if err != nil {
				return nil, err
			}
			e.unlisted = true
			r.reports = append(r.reports, e)
		}
	}
	return r, nil
}

func newEntry(d Definition) (*entry, error) {
	if d.Location == nil {
		d.Location = time.UTC
	}
	if d.Keep == 0 {
		d.Keep = defaultKeep
	}
	e := &entry{Definition: d, wake: make(chan struct{}, 1)}
	if d.Schedule == "" {
		return e, nil
	}
	var err error
	e.schedule, err = ParseSchedule(d.Schedule, d.Location)
	return e, err
}

func (r *Runner) find(name string) *entry {
	for _, e := range r.reports {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Run works until the context ends and then returns nil. A try that is under way then is put back
// and made again by the next Run.
func (r *Runner) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { r.firstNights(ctx) })
	for _, e := range r.reports {
		if kind, ok := KindFor(e.Kind); ok {
			wg.Go(func() { r.work(ctx, e, kind) })
		}
	}
	wg.Wait()
	return nil
}

// work is the life of one report. Its runs come one after the other from here, so that they cannot
// overlap.
func (r *Runner) work(ctx context.Context, e *entry, kind Kind) {
	for {
		next, err := r.step(ctx, e, kind)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.log.Error().Err(err).Str("report", e.Name).Msg("the report waits for its database")
			next = time.Now().Add(storePause)
		}
		if !sleep(ctx, next, e.wake) {
			return
		}
	}
}

// step does what is due and says when to look again; the zero time is when somebody wakes the
// report.
func (r *Runner) step(ctx context.Context, e *entry, kind Kind) (time.Time, error) {
	run, live, err := r.store.LiveRun(ctx, e.Name)
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	tries := again()
	switch soon := now.Add(tries[len(tries)-1]); { // what is later than the longest wait was written by another clock
	case live && run.State == RunWaiting && run.NextTry.After(now) && !run.NextTry.After(soon):
		return run.NextTry, nil
	case live:
		return now, r.try(ctx, e, kind, run)
	case e.schedule == nil:
		return time.Time{}, nil
	}
	owed, err := r.store.CaughtUpTo(ctx, e.Name, e.Schedule, e.Location.String(), now)
	if err != nil {
		return time.Time{}, err
	}
	if owed.After(now) { // the clock has been put back since: nights go on from here
		if e.looked.IsZero() || e.looked.After(now) {
			e.looked = now
		}
		owed = e.looked
	}
	due, ok := e.schedule.Last(owed, now)
	if !ok {
		return e.schedule.Next(now), nil
	}
	e.looked = due
	_, err = r.store.CreateRun(ctx, e.newRun(due, now, ""))
	if errors.Is(err, ErrBusy) { // somebody asked for it at this very moment
		err = nil
	}
	return now, err
}

func (e *entry) newRun(due, now time.Time, by string) Run {
	date := due.In(e.Location).Format(time.DateOnly)
	return Run{
		Report: e.Name, Kind: e.Kind, Due: due, By: by, Date: date, FileName: e.Name + "-" + date + ".csv",
		State: RunWaiting, NextTry: now,
	}
}

// sleep waits for the moment (for ever when it is zero) or for somebody to wake it, and reports
// whether the context lives.
func sleep(ctx context.Context, until time.Time, wake <-chan struct{}) bool {
	for {
		left := nap
		if !until.IsZero() {
			// Without its monotonic part, so that the clock on the wall counts.
			left = min(until.Round(0).Sub(time.Now().Round(0)), nap)
		}
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-wake:
			timer.Stop()
			return true
		case <-timer.C:
		}
	}
}

// RunNow runs a report, by name or by its kind, as soon as Run gets to it; by is the Slack user id
// of who asks. A run that waits for another try is tried at once instead. Errors: ErrUnknownReport,
// ErrNotSupported, ErrBusy while it runs.
func (r *Runner) RunNow(ctx context.Context, name, by string) error {
	e := r.find(name)
	switch {
	case e == nil && slices.Contains(KindNames(), KindName(name)):
		return fmt.Errorf("report %s: %w", name, ErrNotSupported)
	case e == nil:
		return fmt.Errorf("report %s: %w", name, ErrUnknownReport)
	case !e.Kind.Supported():
		return fmt.Errorf("report %s (%s): %w", name, e.Kind, ErrNotSupported)
	}
	if by == "" {
		by = workflow.Bot
	}
	run, live, err := r.store.LiveRun(ctx, e.Name)
	if err != nil {
		return fmt.Errorf("report %s: %w", name, err)
	}
	now := time.Now()
	asked := workflow.Event{At: now, Actor: by, Kind: "report_requested"}
	if asked.Data, err = json.Marshal(map[string]string{"report": e.Name}); err != nil {
		return fmt.Errorf("report %s: %w", name, err)
	}
	switch {
	case !live:
		_, err = r.store.CreateRun(ctx, e.newRun(now, now, by), asked)
	default:
		_, err = r.store.UpdateRun(ctx, run.ID, func(run *Run) error {
			if run.State != RunWaiting {
				return ErrBusy
			}
			run.NextTry = now
			return nil
		}, asked)
	}
	if err != nil {
		return fmt.Errorf("report %s: %w", name, err)
	}
	select {
	case e.wake <- struct{}{}:
	default: // it will look anyway
	}
	return nil
}
