package deliver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever waits to tell people directly waits no longer than it may: who is before it waits for Slack. In a bubble a lock would
// stand still for ever here.
func TestTellingDirectlyIsNotWaitedForTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		if !d.holdDirectly(t.Context()) {
			t.Fatal("nobody tells anybody, and it is not free")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if d.holdDirectly(ctx) || time.Since(begin) != time.Second {
			t.Errorf("it was had twice, or waited for for %s; want 1s", time.Since(begin))
		}
		d.freeDirectly()
		if !d.holdDirectly(t.Context()) {
			t.Error("it was given back, and is not free")
		}
	})
}
