package bot_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// neverTaking is an engine that takes no request until its bot has ended.
type neverTaking struct {
	bot.Engine
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
	w.wrap = func(e bot.Engine) bot.Engine { cut.Engine = e; return cut }
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
		w.inThread(asked.TS, "is request #2")
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
	}
	w.startBot(nil)
	w.say(requests, "", renames(1)) // comes after everything that was missed
	w.inThread(asked.TS, "is request #1")
	w.cardSays(3, "renames.csv")
	if n := w.batchCount(); n != 3 {
		t.Errorf("%d batches, want 3", n)
	}
}

// What is posted while the bot is away is taken when it is back: in the channel, in a thread and
// directly. What is refused is refused once, and what is no business of ours is left alone.
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
		w.inThread(refused.TS, "This file cannot be used")
		w.inThread(stranger.TS, "You cannot ask for changes")
		w.until("four batches are asked for", func() bool { return w.batchCount() == 4 })
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
	}
	w.startBot(nil)
	w.command("U0CAROL", requests, "rename p6@old.example p6@new.example")
	w.cardSays(5, "Rename")
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
	w.eventually("the answer is owed", w.bot.Pending)
	down.Store(false)
	w.bot.CatchUp()
	w.inThread(asked.TS, "This file cannot be used")
	if w.eventually("nothing is owed", func() bool { return !w.bot.Pending() }); w.batchCount() != 0 {
		t.Error("a refused file became a batch")
	}
}

// What came while the bot was away is looked for also when it seems to have heard Slack until
// tomorrow, as after a clock that was wrong has been put right.
func TestHeardUntilTomorrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.onceOnly()
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]time.Time{
		"from": time.Now().Add(-48 * time.Hour), "until": time.Now().Add(48 * time.Hour),
	})
	if err == nil {
		err = w.db.Remember(t.Context(), "slack/heard", raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.say(requests, "", renames(2))
	w.startBot(nil)
	w.cardSays(1, "Needs 1 approval")
}
