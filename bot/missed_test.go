package bot

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// neverTaking is an engine that takes no request until its bot has ended.
type neverTaking struct {
	Engine
	reached chan struct{}
	once    sync.Once
}

func (e *neverTaking) Submit(ctx context.Context, _ workflow.Actor, _ workflow.Request) (*workflow.Batch, error) {
	e.once.Do(func() { close(e.reached) })
	<-ctx.Done()
	return nil, ctx.Err()
}

// onceOnly has Slack bring no event a second time.
func (w *world) onceOnly() {
	f := w.slack.CurrentFaults()
	f.RedeliveryDelays = []time.Duration{}
	w.faults(f)
}

func (w *world) batchCount() int {
	w.t.Helper()
	list, err := w.db.List(w.t.Context(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

// A file that was acknowledged and not stored when the bot ended is taken by the next one, once.
func TestFileOfTheLastMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.onceOnly()
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	cut := &neverTaking{reached: make(chan struct{})}
	w.wrap = func(e Engine) Engine { cut.Engine = e; return cut }
	w.startBot(nil)
	asked := w.say(requests, "reason: the domain moves", renames(2), renames(3))
	select {
	case <-cut.reached:
	case <-time.After(waitFor):
		t.Fatal("the file was never handed in")
	}
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	if n := w.batchCount(); n != 0 {
		t.Fatalf("%d batches before the crash, want none", n)
	}
	w.wrap = nil
	for range 2 { // the second start finds nothing that is left to do
		w.startBot(nil)
		w.cardSays(1, "the domain moves")
		w.inThread(asked.TS, "is #2")
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
	}
	w.startBot(nil)
	w.say(requests, "", renames(1)) // comes after everything that was missed
	w.inThread(asked.TS, "is #1")
	w.cardSays(3, "renames.csv")
	if n := w.batchCount(); n != 3 {
		t.Errorf("%d batches, want 3", n)
	}
}

// What is posted while the bot is away is taken when it is back: in the channel, in a thread and directly. What is refused
// is refused once, and what is no business of ours is left alone.
func TestFilesWhileAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(8))
	w.onceOnly()
	w.command("U0CAROL", requests, "rename p7@old.example p7@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	dm := w.slack.OpenDM("U0CAROL")
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	strange, picture := renames(0), renames(0)
	strange.Name, strange.Content = "strange.csv", []byte("alpha,beta\n1,2\n")
	picture.Name, picture.Content = "screen.png", []byte("\x89PNG")
	w.say(requests, "the first", renames(1))
	refused := w.say(requests, "", strange, picture)
	if _, err := w.slack.Say(t.Context(), "U0CAROL", requests, card.TS, "again", renames(2)); err != nil {
		t.Fatal(err)
	}
	w.say(dm, "", renames(3))
	stranger, err := w.slack.Say(t.Context(), "U0DAVE", requests, "", "", renames(4))
	if err != nil {
		t.Fatal(err)
	}
	answers := func(ts string) int {
		return len(slices.DeleteFunc(w.slack.Thread(requests, ts, "U0ALICE"), func(m workspace.Message) bool { return m.TS == ts }))
	}
	for range 2 {
		w.startBot(nil)
		w.inThread(refused.TS, "I cannot use this file")
		w.inThread(stranger.TS, "You may not ask for changes here")
		w.until("four batches are asked for", func() bool { return w.batchCount() == 4 })
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
	}
	w.startBot(nil)
	w.command("U0CAROL", requests, "rename p6@old.example p6@new.example")
	w.cardSays(5, "rename")
	if n := answers(refused.TS) + answers(stranger.TS); n != 2 {
		t.Errorf("%d answers under the two refused messages, want 2", n)
	}
}

// An answer that cannot be given is given later, though no event tells of its file any more.
func TestAnswerIsOwed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	var down atomic.Bool
	down.Store(true)
	w.faults(workspace.Faults{
		RedeliveryDelays: []time.Duration{},
		BeforeCall: func(method string, _ url.Values) *workspace.Reply {
			if strings.HasPrefix(method, "chat.") && down.Load() {
				return &workspace.Reply{Status: http.StatusServiceUnavailable}
			}
			return nil
		},
	})
	file := renames(0)
	file.Name, file.Content = "strange.csv", []byte("alpha,beta\n1,2\n")
	asked := w.say(requests, "", file)
	w.eventually("the answer is owed", w.bot.intake.owing)
	down.Store(false)
	w.bot.intake.look()
	w.inThread(asked.TS, "I cannot use this file")
	if w.eventually("nothing is owed", func() bool { return !w.bot.intake.owing() }); w.batchCount() != 0 {
		t.Error("a refused file became a batch")
	}
}

// How far Slack was heard never passes what is still open, nor what has not been looked for.
func TestHeardUntil(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	i := w.bot.intake
	until := func() time.Time {
		i.note(t.Context())
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.heard.Until
	}
	w.eventually("the first look is over", func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		return !i.behind
	})
	old := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	if !i.begin(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Fatal("a new file was seen before")
	}
	if i.begin(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Error("a file that is being dealt with is taken again")
	}
	if got := until(); !got.Equal(old) {
		t.Errorf("heard until %s while a file of %s is open", got, old)
	}
	i.end(t.Context(), "file/C/1/F", false)
	if !i.begin(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Error("a file that was not dealt with is not taken again")
	}
	i.end(t.Context(), "file/C/1/F", true)
	if i.begin(t.Context(), "file/C/1/F", timestamp(old)) {
		t.Error("a file that was dealt with is taken again")
	}
	now := until()
	if time.Since(now) > time.Minute {
		t.Errorf("heard until %s with nothing open", now)
	}
	i.mu.Lock()
	i.behind = true
	i.mu.Unlock()
	if got := until(); !got.Equal(now) {
		t.Error("heard on while what was missed has not been found")
	}
}

// Without any connection for a while, Slack may have had something to say.
func TestDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sockets{links: []*link{{}, {}}}
		if d := s.deafFor(); d != math.MaxInt64 {
			t.Errorf("before the first connection: %s", d)
		}
		for _, l := range s.links {
			l.hello()
		}
		s.links[0].down()
		time.Sleep(time.Minute)
		if d := s.deafFor(); d != 0 {
			t.Errorf("with one connection: %s", d)
		}
		s.links[1].down()
		time.Sleep(time.Second)
		if d := s.deafFor(); d != time.Second {
			t.Errorf("a second after the last: %s", d)
		}
	})
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

// What came while the bot was away is looked for also when it seems to have heard Slack until tomorrow, as after a clock
// that was wrong has been put right.
func TestHeardUntilTomorrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.onceOnly()
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(heard{From: time.Now().Add(-48 * time.Hour), Until: time.Now().Add(48 * time.Hour)})
	if err == nil {
		err = w.db.Remember(t.Context(), heardName, raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.say(requests, "", renames(2))
	w.startBot(nil)
	w.cardSays(1, "Needs 1 approval")
}
