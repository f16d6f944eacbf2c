package workspace

import (
	"fmt"
	"net/http"
	"time"
)

// tier is how often a method may be called (docs: rate limits). Slack publishes only the rate a
// minute; the bursts are not documented and set low here, so that an app which does not pace itself
// is found out.
type tier struct {
	name  string
	rate  float64 // calls a minute
	burst float64
}

var (
	tier2    = tier{"tier 2", 20, 10}
	tier3    = tier{"tier 3", 50, 20}
	tier4    = tier{"tier 4", 100, 40}
	special  = tier{"special", 600, 100}            // auth.test, chat.getPermalink: "hundreds a minute"
	messages = tier{"messages", 300, 60}            // chat.postMessage: "several hundred a minute" in the workspace
	channels = tier{"messages to a channel", 60, 5} // chat.postMessage: one a second in a channel, short bursts
)

// bucket holds the calls that may still be made.
type bucket struct {
	left float64
	at   time.Time
}

// take spends one call; when none is left it gives the wait until there is.
func (b *bucket) take(t tier, now time.Time) time.Duration {
	perSecond := t.rate / 60
	b.left = min(t.burst, b.left+now.Sub(b.at).Seconds()*perSecond)
	b.at = now
	if b.left >= 1 {
		b.left--
		return 0
	}
	return time.Duration((1 - b.left) / perSecond * float64(time.Second))
}

// pace refuses a call that comes too early. The caller holds w.mu.
func (w *Workspace) pace(c *call, t tier) error {
	if err := w.spend(c.name, c.name, t); err != nil {
		return err
	}
	if c.name != "chat.postMessage" {
		return nil
	}
	return w.spend(c.name, c.name+" "+c.arg("channel"), channels)
}

func (w *Workspace) spend(name, key string, t tier) error {
	if w.faults.NoLimits {
		return nil
	}
	now := time.Now()
	b := w.buckets[key]
	if b == nil {
		b = &bucket{left: t.burst, at: now}
		w.buckets[key] = b
	}
	wait := b.take(t, now)
	if wait == 0 {
		return nil
	}
	if until := w.held[key]; now.Before(until) {
		w.violate(name, "retry_after_ignored", fmt.Sprintf("called %s before the Retry-After ended", until.Sub(now)))
	} else {
		w.held[key] = now.Add(wait)
	}
	return &refusal{code: "ratelimited", status: http.StatusTooManyRequests, retryAfter: wait}
}
