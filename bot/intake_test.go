package bot

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// seenStore is a store that remembers ids, and nothing else.
type seenStore struct {
	Store
	ids map[string]bool
}

func (s seenStore) Seen(_ context.Context, id string, _ time.Time) (bool, error) {
	was := s.ids[id]
	s.ids[id] = true
	return !was, nil
}

func (s seenStore) WasSeen(_ context.Context, id string) (bool, error) { return s.ids[id], nil }

func (seenStore) Remember(context.Context, string, []byte) error { return nil }

// How far Slack was heard never passes what is still open, nor what has not been looked for.
func TestHeardUntil(t *testing.T) {
	t.Parallel()
	i := newIntake(&Bot{
		cfg: Config{Store: seenStore{ids: map[string]bool{}}}, sockets: &sockets{connections: []*connection{{up: true}}}, log: zerolog.Nop(),
	})
	i.catchupDue = false
	until := func() time.Time {
		i.noteHeard(t.Context())
		return i.heard.Until
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	if !i.beginDelivery(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Fatal("a new file was seen before")
	}
	if i.beginDelivery(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Error("a file that is being dealt with is taken again")
	}
	if got := until(); !got.Equal(old) {
		t.Errorf("heard until %s while a file of %s is open", got, old)
	}
	i.endDelivery(t.Context(), "file/C/1/F", false)
	if !i.beginDelivery(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Error("a file that was not dealt with is not taken again")
	}
	i.endDelivery(t.Context(), "file/C/1/F", true)
	if i.beginDelivery(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Error("a file that was dealt with is taken again")
	}
	now := until()
	if time.Since(now) > time.Minute {
		t.Errorf("heard until %s with nothing open", now)
	}
	i.catchupDue = true
	if got := until(); !got.Equal(now) {
		t.Error("heard on while what was missed has not been found")
	}
}

func TestMomentOf(t *testing.T) {
	for ts, want := range map[string]time.Time{
		"1764000000.000000": time.Unix(1764000000, 0),
		"1764000000.000100": time.Unix(1764000000, 100_000),
		"1764000000.123456": time.Unix(1764000000, 123_456_000),
	} {
		if got := momentOf(ts); !got.Equal(want) || timestamp(got) != ts {
			t.Errorf("%s is %s (%s), want %s", ts, got, timestamp(got), want)
		}
	}
	if d := time.Since(momentOf("nonsense")); d > time.Minute {
		t.Errorf("nonsense is %s ago", d)
	}
}
