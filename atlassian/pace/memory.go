package pace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Memory keeps a value by name over a restart.
type Memory interface {
	Remember(ctx context.Context, name string, value []byte) error
	Recall(ctx context.Context, name string) ([]byte, error) // nil when there is nothing
}

const (
	memoryVersion = 2
	memoryAge     = 24 * time.Hour  // what is older is ignored
	memoryPause   = time.Second     // between two times of saving, at least
	memoryTimeout = 2 * time.Second // of saving once
	maxLatency    = 30.0            // a mean latency, in seconds, that can be
)

// savedGate is the gate as it is stored.
type savedGate struct {
	Version int           `json:"version"`
	Of      string        `json:"of"` // see limitsOf
	At      time.Time     `json:"at"`
	Took    float64       `json:"seconds_a_call"`
	Crew    float64       `json:"in_flight"`
	Buckets []savedBucket `json:"buckets"`
}

type savedBucket struct {
	Operations []savedOperation `json:"operations"`
	Silent     bool             `json:"silent"`
	Limit      *savedLimit      `json:"limit,omitempty"`
	Found      savedFound       `json:"found"`
	Shut       time.Time        `json:"shut"`
}

type savedOperation struct {
	Name   string `json:"name"`
	Writes bool   `json:"writes"`
}

// savedWindows are windows. Times are on our clock.
type savedWindows struct {
	Length     time.Duration `json:"length"`
	Opened     time.Time     `json:"opened"` // not before then
	OpenedBy   time.Time     `json:"opened_by"`
	OpensAfter time.Time     `json:"opens_after"`
	OpensBy    time.Time     `json:"opens_by"`
	Likely     time.Time     `json:"likely"`
}

type savedLimit struct {
	Kind    kind          `json:"kind"`
	Budget  int           `json:"budget"`
	Left    int           `json:"left"`
	Told    time.Time     `json:"told"`
	Stamp   time.Time     `json:"stamp"` // the reset as the other side wrote it
	Windows savedWindows  `json:"windows"`
	Rate    float64       `json:"rate"`   // of one that refills
	Length  time.Duration `json:"length"` // of one that slides
	Others  float64       `json:"others"`
}

type savedFound struct {
	Off      bool         `json:"off"`
	Slow     bool         `json:"slow"`
	Rate     float64      `json:"rate"`
	Ceiling  float64      `json:"ceiling"`
	Reach    float64      `json:"reach"`
	Windowed bool         `json:"windowed"`
	Slides   bool         `json:"slides"`
	Budget   int          `json:"budget"`
	Used     int          `json:"used"`
	Seen     bool         `json:"seen"`
	Windows  savedWindows `json:"windows"`
}

func (w *windows) saved() savedWindows {
	return savedWindows{
		Length: w.length, Opened: w.opened.from.UTC(), OpenedBy: w.opened.to.UTC(),
		OpensAfter: w.opens.from.UTC(), OpensBy: w.opens.to.UTC(),
		Likely: w.likely.UTC(),
	}
}

// restored sets what was saved; now carries the monotonic clock, which times that were saved lack.
func (w *windows) restored(s savedWindows, now time.Time) {
	at := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return now.Add(t.Sub(now.Round(0)))
	}
	w.length, w.opened, w.opens = s.Length, span{at(s.Opened), at(s.OpenedBy)}, span{at(s.OpensAfter), at(s.OpensBy)}
	w.likely = at(s.Likely)
}

// saved returns what a restart should know. The caller holds mu.
func (g *Gate) saved(of string, now time.Time) savedGate {
	saved := savedGate{Version: memoryVersion, Of: of, At: now.UTC(), Took: g.meanLatency, Crew: g.crew.now}
	for _, b := range g.buckets {
		f := &b.found
		one := savedBucket{Silent: b.headerless, Shut: b.shut.UTC(), Found: savedFound{
			Off: f.pacer.off, Slow: f.pacer.slowStart, Rate: f.pacer.rate, Ceiling: f.pacer.ceiling, Reach: f.pacer.reach,
			Windowed: f.windowed, Slides: f.slides, Budget: f.budget, Used: f.used + b.inFlight, Seen: f.seen,
			Windows: f.windows.saved(),
		}}
		for _, op := range g.operations {
			if op.bucket == b {
				one.Operations = append(one.Operations, savedOperation{op.name, op.writes})
			}
		}
		if w := &b.limit; w.known() {
			length := w.most
			if w.kind != sliding {
				length = 0
			}
			one.Limit = &savedLimit{
				Kind: w.kind, Budget: w.budget, Left: max(0, w.remain-b.inFlight-w.unanswered), Told: w.toldAt.UTC(), Stamp: w.stamp,
				Windows: w.windows.saved(), Rate: w.rate, Length: length, Others: w.othersRate,
			}
		}
		saved.Buckets = append(saved.Buckets, one)
	}
	return saved
}

// restore takes over what was saved, unless some of it cannot be. The first call in each bucket
// leaves alone all the same, as calls may have left after it was saved.
func (g *Gate) restore(saved savedGate, of string, now time.Time) error {
	if err := saved.check(of, now); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.operations) > 0 {
		return errors.New("calls were made before")
	}
	g.buckets, g.meanLatency = nil, saved.Took
	g.crew.now = min(max(saved.Crew, 1), float64(g.crew.bound))
	for _, each := range saved.Buckets {
		b := g.newBucket()
		b.probing, b.headerless = true, each.Silent
		if wait := each.Shut.Sub(now.Round(0)); wait > 0 {
			b.shutUntil(now.Add(min(wait, maxShut)))
		}
		f := each.Found
		b.found.pacer.off, b.found.pacer.slowStart, b.found.pacer.reach = f.Off, f.Slow, f.Reach
		b.found.pacer.rate, b.found.pacer.ceiling = min(f.Rate, g.pace.Max), min(f.Ceiling, g.pace.Max)
		b.found.windowed, b.found.slides, b.found.budget = f.Windowed, f.Slides, f.Budget
		b.found.used, b.found.seen = f.Used, f.Seen
		b.found.windows.restored(f.Windows, now)
		if w := each.Limit; w != nil {
			l := &b.limit
			l.kind, l.budget, l.remain, l.stamp, l.rate, l.othersRate = w.Kind, w.Budget, w.Left, w.Stamp, w.Rate, w.Others
			l.most, l.startedAt, l.base, l.toldAt = w.Length, now, -1, now
			l.caution = 0.02
			l.windows.restored(w.Windows, now)
		}
		for _, op := range each.Operations {
			g.operations = append(g.operations, &operation{name: op.Name, writes: op.Writes, bucket: b})
		}
	}
	return nil
}

// check returns why the saved gate cannot be used.
func (s savedGate) check(of string, now time.Time) error {
	age := now.Sub(s.At)
	switch {
	case s.Version != memoryVersion:
		return fmt.Errorf("version %d", s.Version)
	case s.Of != of:
		return errors.New("it is another key's")
	case age < 0 || age > memoryAge:
		return fmt.Errorf("it is %v old", age.Round(time.Second))
	case len(s.Buckets) == 0 || !within(s.Took, 0, maxLatency):
		return errors.New("it is damaged")
	}
	var names []string
	for _, b := range s.Buckets {
		if !b.sound() {
			return errors.New("it is damaged")
		}
		for _, op := range b.Operations {
			if slices.Contains(names, op.Name) {
				return errors.New("it is damaged")
			}
			names = append(names, op.Name)
		}
	}
	return nil
}

func (b savedBucket) sound() bool {
	const most = 1e9
	f, w := b.Found, b.Limit
	if !within(f.Rate, paceMin, most) || !within(f.Reach, 1, reachMost) || f.Budget < 0 || f.Used < 0 || !f.Windows.sound() ||
		!f.Slow && !f.Off && !within(f.Ceiling, paceMin, most) {
		return false
	}
	return w == nil || w.Budget >= 0 && w.Left >= 0 && !w.Stamp.IsZero() && w.Windows.sound() &&
		w.Length >= 0 && w.Length <= maxShut &&
		w.Kind >= windowed && w.Kind <= refilling && within(w.Others, 0, most) && within(w.Rate, 0, most)
}

func (w savedWindows) sound() bool {
	latest := w.OpenedBy.Add(2 * maxShut)
	return w.Length >= 0 && w.Length <= maxShut && !w.OpensBy.After(latest) && !w.OpensAfter.After(latest)
}

func within(x, least, most float64) bool { return !math.IsNaN(x) && x >= least && x <= most }

// saver saves the gate soon after it changed, at most once in memoryPause, and never in the path of
// a call.
type saver struct {
	memory Memory
	save   func()

	saving sync.Mutex // held while the gate is being saved
	mu     sync.Mutex // guards the rest
	dirty  bool
	closed bool
	timer  *time.Timer
	saved  time.Time // when saving last began
}

// changed makes sure that the gate will be saved.
func (s *saver) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirty || s.closed || s.memory == nil {
		return
	}
	s.dirty = true
	wait := max(0, time.Until(s.saved.Add(memoryPause)))
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.write)
	} else {
		s.timer.Reset(wait)
	}
}

func (s *saver) write() {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	due := s.dirty
	if due {
		s.dirty, s.saved = false, time.Now()
	}
	s.mu.Unlock()
	if due {
		s.save()
	}
}

// close saves the gate for the last time.
func (s *saver) close() {
	s.mu.Lock()
	s.dirty, s.closed = s.memory != nil && !s.closed, true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.write()
}

// Restore takes over what a Gate of the same owner knew of the limits. It must be called before the
// first call. What is missing, damaged, of another owner or older than a day is ignored, and
// logged.
func (g *Gate) Restore(ctx context.Context) {
	if g.saver.memory == nil {
		return
	}
	raw, err := g.saver.memory.Recall(ctx, g.name)
	if err == nil && raw == nil {
		return
	}
	var saved savedGate
	if err == nil {
		err = json.Unmarshal(raw, &saved)
	}
	if err == nil {
		err = g.restore(saved, g.limitsOf(), time.Now())
	}
	if err != nil {
		g.log.Info().Err(err).Msg("what was known of rate limits cannot be used; it will be found anew")
	}
}

// Close saves what is known of the limits for the last time. Calls may still be made.
func (g *Gate) Close() { g.saver.close() }

// remember saves what is known of the limits.
func (g *Gate) remember() {
	g.mu.Lock()
	saved := g.saved(g.limitsOf(), time.Now())
	g.mu.Unlock()
	raw, err := json.Marshal(saved)
	if err == nil {
		late := errors.New("remembering the rate limits took over 2 s")
		ctx, cancel := context.WithTimeoutCause(context.Background(), memoryTimeout, late)
		defer cancel()
		err = g.saver.memory.Remember(ctx, g.name, raw)
	}
	if err != nil {
		g.log.Warn().Err(err).Msg("what is known of rate limits cannot be kept for the next start")
	}
}

// limitsOf identifies the owner without giving the key away: it is 64 bits of a hash.
func (g *Gate) limitsOf() string {
	sum := sha256.Sum256([]byte("countersign gate\n" + g.owner()))
	return hex.EncodeToString(sum[:8])
}
