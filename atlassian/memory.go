package atlassian

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

// Memory keeps a value by name over a restart. What the gate knows is kept there, so that a start within a minute that is
// used up does not call too early, and does not have to find everything again. Losing it costs a little speed, no more.
type Memory interface {
	Remember(ctx context.Context, name string, value []byte) error
	Recall(ctx context.Context, name string) ([]byte, error) // nil when there is nothing
}

const (
	memoryName    = "atlassian gate"
	memoryVersion = 1
	memoryAge     = 24 * time.Hour  // what is older says nothing
	memoryPause   = time.Second     // from one writing to the next, at least
	memoryTime    = 2 * time.Second // what one may take
)

// keptGate is the gate as it is written down.
type keptGate struct {
	Version int          `json:"version"`
	Of      string       `json:"of"` // the beginning of a hash of address, organisation and key, as limits belong to a key
	At      time.Time    `json:"at"`
	Took    float64      `json:"seconds_a_call"`
	Buckets []keptBucket `json:"buckets"` // the first one takes the operations to come
}

type keptBucket struct {
	Operations []keptOperation `json:"operations"`
	Silent     bool            `json:"silent"`
	Window     *keptWindow     `json:"window,omitempty"`
	Pace       keptPace        `json:"pace"`
	Shut       time.Time       `json:"shut"`
}

type keptOperation struct {
	Name   string `json:"name"`
	Writes bool   `json:"writes"`
}

type keptWindow struct {
	Limit  int           `json:"limit"`
	Left   int           `json:"left"`
	Stamp  time.Time     `json:"stamp"` // the reset as the other side wrote it
	Reset  time.Time     `json:"reset"` // on our clock
	Length time.Duration `json:"length"`
	Others float64       `json:"others"`
}

type keptPace struct {
	Off     bool    `json:"off"`
	Slow    bool    `json:"slow"`
	Rate    float64 `json:"rate"`
	Ceiling float64 `json:"ceiling"`
	Reach   float64 `json:"reach"`
}

// keep is what a restart should know. The caller holds the lock.
func (g *gate) keep(of string, now time.Time) keptGate {
	kept := keptGate{Version: memoryVersion, Of: of, At: now.UTC(), Took: g.took}
	for _, b := range g.buckets {
		one := keptBucket{Silent: b.silent, Shut: b.shut.UTC(), Pace: keptPace{
			Off: b.pacer.off, Slow: b.pacer.slow, Rate: b.pacer.rate, Ceiling: b.pacer.ceiling, Reach: b.pacer.reach,
		}}
		for _, op := range g.operations {
			if op.bucket == b {
				one.Operations = append(one.Operations, keptOperation{op.name, op.writes})
			}
		}
		if w := &b.window; w.known() {
			one.Window = &keptWindow{
				Limit: w.limit, Left: max(0, w.least-b.flying-w.lost), Stamp: w.stamp, Reset: w.reset.UTC(), Length: w.length,
				Others: w.others,
			}
		}
		kept.Buckets = append(kept.Buckets, one)
	}
	return kept
}

// restore takes over what was kept, unless something in it cannot be. The first call in each bucket goes alone all the
// same, as calls may have left after it was written.
func (g *gate) restore(kept keptGate, of string, now time.Time) error {
	if err := kept.check(of, now); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.operations) > 0 {
		return errors.New("calls were made before")
	}
	g.buckets, g.took = nil, kept.Took
	for _, each := range kept.Buckets {
		b := g.newBucket()
		b.trial, b.silent = true, each.Silent
		b.shutUntil(now, now.Add(each.Shut.Sub(now)))
		p := each.Pace
		b.pacer.off, b.pacer.slow, b.pacer.reach = p.Off, p.Slow, p.Reach
		b.pacer.rate, b.pacer.ceiling = min(p.Rate, g.pace.Max), min(p.Ceiling, g.pace.Max)
		if w := each.Window; w != nil {
			b.window = window{
				limit: w.Limit, least: w.Left, stamp: w.Stamp, reset: now.Add(min(maxShut, w.Reset.Sub(now))), length: w.Length,
				others: w.Others, begun: now, base: -1,
			}
		}
		for _, op := range each.Operations {
			g.operations = append(g.operations, &operation{name: op.Name, writes: op.Writes, bucket: b})
		}
	}
	return nil
}

func (k keptGate) check(of string, now time.Time) error {
	age := now.Sub(k.At)
	switch {
	case k.Version != memoryVersion:
		return fmt.Errorf("version %d", k.Version)
	case k.Of != of:
		return errors.New("it is another key's")
	case age < 0 || age > memoryAge:
		return fmt.Errorf("it is %v old", age.Round(time.Second))
	case len(k.Buckets) == 0 || !within(k.Took, 0, callTimeout.Seconds()):
		return errors.New("it is damaged")
	}
	var names []string
	for _, b := range k.Buckets {
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

func (b keptBucket) sound() bool {
	const most = 1e9
	p, w := b.Pace, b.Window
	if !within(p.Rate, paceMin, most) || !within(p.Reach, 1, reachMost) ||
		!p.Slow && !p.Off && !within(p.Ceiling, paceMin, most) {
		return false
	}
	return w == nil || w.Limit >= 0 && w.Left >= 0 && !w.Stamp.IsZero() && w.Length >= 0 && w.Length <= 24*time.Hour &&
		within(w.Others, 0, most)
}

func within(x, least, most float64) bool { return !math.IsNaN(x) && x >= least && x <= most }

// keeper writes the gate down when something changed, seldom and never on the path of a call.
type keeper struct {
	memory Memory
	save   func()

	writing sync.Mutex // held while it is being written down
	mu      sync.Mutex // guards the rest
	dirty   bool
	closed  bool
	timer   *time.Timer
	saved   time.Time // when the last writing began
}

// changed sees to it that the gate is written down soon.
func (k *keeper) changed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dirty || k.closed || k.memory == nil {
		return
	}
	k.dirty = true
	wait := max(0, time.Until(k.saved.Add(memoryPause)))
	if k.timer == nil {
		k.timer = time.AfterFunc(wait, k.write)
	} else {
		k.timer.Reset(wait)
	}
}

func (k *keeper) write() {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	due := k.dirty
	if due {
		k.dirty, k.saved = false, time.Now()
	}
	k.mu.Unlock()
	if due {
		k.save()
	}
}

// close writes down what there is, for the last time.
func (k *keeper) close() {
	k.mu.Lock()
	k.dirty, k.closed = k.memory != nil && !k.closed, true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.mu.Unlock()
	k.write()
}

// Restore takes over what a Client with the same key knew of limits before; to be called before the first call. What is
// missing, damaged or old is left alone.
func (c *Client) Restore(ctx context.Context) {
	if c.keeper.memory == nil {
		return
	}
	raw, err := c.keeper.memory.Recall(ctx, memoryName)
	if err == nil && raw == nil {
		return
	}
	var kept keptGate
	if err == nil {
		err = json.Unmarshal(raw, &kept)
	}
	if err == nil {
		err = c.gate.restore(kept, c.limitsOf(), time.Now())
	}
	if err != nil {
		c.log.Info().Err(err).Msg("what was known of rate limits cannot be used; it will be found anew")
	}
}

// remember writes down what is known of limits.
func (c *Client) remember() {
	c.gate.mu.Lock()
	kept := c.gate.keep(c.limitsOf(), time.Now())
	c.gate.mu.Unlock()
	raw, err := json.Marshal(kept)
	if err == nil {
		late := errors.New("remembering the rate limits took over 2 s")
		ctx, cancel := context.WithTimeoutCause(context.Background(), memoryTime, late)
		defer cancel()
		err = c.keeper.memory.Remember(ctx, memoryName, raw)
	}
	if err != nil {
		c.log.Warn().Err(err).Msg("what is known of rate limits cannot be kept for the next start")
	}
}

// limitsOf names whom the limits belong to, without giving the key away: 64 bits of a hash.
func (c *Client) limitsOf() string {
	sum := sha256.Sum256([]byte("countersign gate\n" + c.base.String() + "\n" + c.org + "\n" + c.key()))
	return hex.EncodeToString(sum[:8])
}
