package bot_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// slice is a CSV that renames n accounts from the given one.
func slice(from, n int) workspace.Upload {
	var out strings.Builder
	out.WriteString("account_id,new_email\n")
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&out, "712020:%04d,p%d@new.example\n", i, i)
	}
	return workspace.Upload{Name: "slice.csv", Content: []byte(out.String())}
}

// progressOf is the message that says how far a batch is.
func (w *world) progressOf(card workspace.Message) string {
	for _, m := range w.slack.Thread(requests, card.TS, "U0ALICE") {
		if strings.Contains(m.Text, "░") || strings.Contains(m.Text, "█") {
			return m.Text
		}
	}
	return ""
}

// countsIn are done, failed and left as a message counts them.
func countsIn(text string) (out [3]int) {
	for i, word := range []string{"done", "failed", "left"} {
		for line := range strings.SplitSeq(strings.NewReplacer("`", "\n", " · ", "\n", ",", "\n").Replace(text), "\n") {
			line = strings.TrimLeft(line, "█░ ")
			if n := 0; strings.HasSuffix(line, "* "+word) {
				if _, err := fmt.Sscanf(line, "*%d*", &n); err == nil {
					out[i] = n
				}
			}
		}
	}
	return out
}

// A retry that begins before the progress of the first run was shown leaves no count behind that is not true any more.
func TestRetryBeforeProgressIsShown(t *testing.T) {
	t.Parallel()
	const others = 6
	a := newAccounts(8 + others)
	a.takes = 300 * time.Millisecond
	a.refuse = map[string]bool{"712020:0002": true}
	inBubble(t, a, func(w *world) {
		w.say(requests, "", renames(8))
		first := w.cardSays(1, "Needs 1 approval")
		for i := range others { // what is said of them goes before a count
			w.say(requests, "", slice(8+i, 1))
		}
		w.click("U0ALICE", first, view.ActionApprove)
		card := w.mayPress("retry_failed undo")
		a.set(func() { a.refuse = nil })
		w.click("U0ALICE", card, view.ActionRetry)
		w.inThread(card.TS, "Run 2 of #1 finished: *8* done")
		time.Sleep(time.Minute) // fake time
		shown := 0
		for _, m := range w.slack.Thread(requests, card.TS, "U0ALICE") {
			if strings.Contains(m.Text, "░") || strings.Contains(m.Text, "█") {
				if shown++; countsIn(m.Text)[2] != 0 {
					w.t.Errorf("the thread still says %q", m.Text)
				}
			}
		}
		if shown == 0 {
			w.t.Error("the thread shows no progress")
		}
	})
}

// Five batches run side by side: within Slack's limits, each progress is edited every few seconds and ends at its end; a
// paused card counts what the database counts, and other cards are as quick as ever.
func TestFiveRunsSideBySide(t *testing.T) {
	t.Parallel()
	const batches, rows, others = 5, 120, 8
	a := newAccounts(batches*rows + others)
	a.takes = 4 * time.Second
	a.refuse = map[string]bool{"712020:0303": true, "712020:0307": true}
	inBubble(t, a, func(w *world) {
		t := w.t
		var cards []workspace.Message
		for i := range batches {
			w.say(requests, "", slice(i*rows, rows))
			cards = append(cards, w.cardSays(int64(i+1), "Needs 1 approval"))
		}
		for _, card := range cards {
			w.click("U0ALICE", card, view.ActionApprove)
		}
		time.Sleep(30 * time.Second) // fake time
		longest := make([]time.Duration, batches)
		edited, said := make([]time.Time, batches), make([]string, batches)
		for i := range batches {
			edited[i] = time.Now()
		}
		for begin := time.Now(); time.Since(begin) < 60*time.Second; time.Sleep(100 * time.Millisecond) {
			for i, card := range cards {
				if now := w.progressOf(card); now != said[i] {
					longest[i] = max(longest[i], time.Since(edited[i]))
					edited[i], said[i] = time.Now(), now
				}
			}
		}
		for i := range batches {
			if longest[i] > 14*time.Second || !strings.Contains(said[i], "a minute, about") {
				t.Errorf("the progress of #%d stood still for %s, and says %q", i+1, longest[i], said[i])
			}
		}
		var more []workspace.Message
		for i := range others {
			n := batches*rows + i
			w.command("U0CAROL", requests, fmt.Sprintf("rename p%d@old.example p%d@new.example", n, n))
		}
		for i := range int64(others) {
			more = append(more, w.cardSays(batches+i+1, "Needs 1 approval"))
		}
		w.approveAtOnce(more, 2*time.Second)
		w.click("U0CAROL", cards[2], view.ActionPause)
		begin := time.Now()
		w.cardSays(3, "*Paused*")
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("the card said after %s that it is paused", took)
		}
		time.Sleep(20 * time.Second) // what was under way has ended, and is shown
		s, err := w.db.Summary(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		want := [3]int{
			s.State(workflow.ChangeDone), s.State(workflow.ChangeFailed), s.State(workflow.ChangeReady, workflow.ChangeRunning),
		}
		paused, _ := w.card(3)
		if d := cmp.Diff(want, countsIn(text(paused))); d != "" || want[0] == 0 || want[1] != 2 || want[2] == 0 {
			t.Errorf("counts on the paused card (-database +card):\n%s%s", d, text(paused))
		}
		if d := cmp.Diff(want, countsIn(w.progressOf(cards[2]))); d != "" {
			t.Errorf("counts of the paused progress (-database +progress):\n%s", d)
		}
		if effects := fmt.Sprintf("%d people will be signed out", want[2]); !strings.Contains(text(paused), effects) {
			t.Errorf("the paused card does not say %q:\n%s", effects, text(paused))
		}
		w.click("U0ALICE", paused, view.ActionResume)
		for i, card := range cards {
			w.cardSays(int64(i+1), "*Done*")
			w.inThread(card.TS, "* failed\n")
			w.inThread(card.TS, fmt.Sprintf("#%d finished", i+1))
			w.fileInThread(card.TS, fmt.Sprintf("batch-%d-results.csv", i+1))
		}
		if refused := w.throttledCalls(); len(refused) > 0 {
			t.Errorf("Slack refused calls for their rate: %q", refused)
		}
	})
}

// ahead6 lets a change through every 10 s, whatever it is.
type ahead6 struct{}

func (ahead6) Estimate(calls map[workflow.Operation]int, _ map[workflow.FactKind]int) time.Duration {
	n := 0
	for _, k := range calls {
		n += k
	}
	return time.Duration(n) * 10 * time.Second
}

// Once some rows are through, rate and time to go are the gate's where that is slower than what was seen, shared with the
// batches that run beside: a short one does not wait for all of a long one. What the run waits for is said instead.
func TestEstimate(t *testing.T) {
	t.Parallel()
	a := newAccounts(100)
	a.takes, a.free = time.Second, map[string]bool{}
	for i := range 20 {
		a.free[fmt.Sprintf("712020:%04d", i)] = true // of the long batch
		if i < 10 {
			a.free[fmt.Sprintf("712020:%04d", 50+i)] = true // and of the short one
		}
	}
	var until atomic.Int64
	w := &world{accounts: a, pacer: ahead6{}, shut: func() time.Time { return time.Unix(until.Load(), 0) }}
	inBubbleWith(t, w, func(w *world) {
		a.hold = make(chan struct{}) // of this bubble
		w.say(requests, "", slice(0, 50))
		long := w.cardSays(1, "Needs 1 approval")
		w.click("U0ALICE", long, view.ActionApprove)
		w.inThread(long.TS, "6 a minute, about 5 minutes to go")
		w.say(requests, "", slice(50, 16))
		short := w.cardSays(2, "Needs 1 approval")
		w.click("U0ALICE", short, view.ActionApprove)
		w.inThread(short.TS, "3 a minute, about 2 minutes to go")
		w.inThread(long.TS, "5 a minute, about 6 minutes to go")
		opens := time.Now().Add(10 * time.Minute)
		until.Store(opens.Unix())
		w.inThread(long.TS, "waits: Atlassian takes no calls until "+dateOf(opens))
		until.Store(0)
		w.inThread(long.TS, "5 a minute, about 6 minutes to go")
		close(a.hold)
		w.cardSays(1, "*Done*")
		w.cardSays(2, "*Done*")
	})
}

// Before rows are through, no rate is said; while the only rows under way wait to be read back, that and until when.
func TestNoRateBeforeRowsAreThrough(t *testing.T) {
	t.Parallel()
	a := newAccounts(10)
	inBubbleWith(t, &world{accounts: a, pacer: ahead6{}}, func(w *world) {
		a.hold = make(chan struct{}) // of this bubble
		w.say(requests, "", slice(0, 10))
		card := w.cardSays(1, "Needs 1 approval")
		w.click("U0ALICE", card, view.ActionApprove)
		w.inThread(card.TS, "*0* done · *0* failed · *10* left")
		time.Sleep(30 * time.Second) // fake time
		if says := w.progressOf(card); strings.Contains(says, "minute") || strings.Contains(says, "to go") {
			w.t.Errorf("at 0 done it says %q", says)
		}
		a.set(func() { a.deny = workflow.ErrUnknownOutcome })
		close(a.hold)
		w.inThread(card.TS, "being confirmed, next look at <!date^")
		if says := w.progressOf(card); strings.Contains(says, "a minute") {
			w.t.Errorf("while rows are read back it says %q", says)
		}
		a.set(func() { a.deny = nil })
		w.cardSays(1, "*Done*")
		w.inThread(card.TS, "*10* done · *0* failed\n")
	})
}

// Outside the run window an approved batch waits, and the card says until when; one that runs at the
// window's end does, too.
func TestWindowIsSaid(t *testing.T) {
	t.Parallel()
	a := newAccounts(60)
	a.takes = 45 * time.Second
	hours := policy.Window{From: policy.Clock{Minute: 30}, To: policy.Clock{Minute: 40}}
	w := &world{accounts: a, window: hours} // it is midnight
	inBubbleWith(t, w, func(w *world) {
		t := w.t
		opens := time.Now().Truncate(24 * time.Hour).Add(30 * time.Minute)
		if time.Now().After(opens) {
			t.Fatalf("the bubble begins at %s", time.Now())
		}
		w.say(requests, "", slice(0, 60))
		card := w.cardSays(1, "Needs 1 approval")
		w.click("U0ALICE", card, view.ActionApprove)
		w.cardSays(1, "Waits: the run window opens "+dateOf(opens))
		time.Sleep(time.Until(opens) + 2*time.Second)
		card = w.cardSays(1, "*Running*")
		if strings.Contains(text(card), "It waits") {
			t.Errorf("the card of a batch that runs says that it waits:\n%s", text(card))
		}
		w.inThread(card.TS, "a minute, about")
		time.Sleep(10 * time.Minute)
		tomorrow := dateOf(opens.Add(24 * time.Hour))
		w.cardSays(1, "Waits: the run window opens "+tomorrow)
		w.inThread(card.TS, "waits: the run window opens "+tomorrow)
	})
}

// When the key is refused, every batch that runs says so and is paused.
func TestKeyRefusedIsSaidEverywhere(t *testing.T) {
	t.Parallel()
	a := newAccounts(80)
	a.takes = 2 * time.Second
	inBubble(t, a, func(w *world) {
		var cards []workspace.Message
		for i := range 2 {
			w.say(requests, "", slice(i*40, 40))
			cards = append(cards, w.cardSays(int64(i+1), "Needs 1 approval"))
			w.click("U0ALICE", cards[i], view.ActionApprove)
			w.cardSays(int64(i+1), "*Running*")
		}
		a.set(func() { a.deny = workflow.ErrKeyRefused })
		for i, card := range cards {
			w.cardSays(int64(i+1), "Atlassian refused the API key")
			w.inThread(card.TS, fmt.Sprintf("#%d is paused. Atlassian refused the API key. The refused calls changed nothing.", i+1))
		}
		a.set(func() { a.deny = nil })
		for i, card := range cards {
			w.click("U0BOB", card, view.ActionResume)
			w.cardSays(int64(i+1), "*Done*")
			w.inThread(card.TS, "*40* done · *0* failed\n")
		}
	})
}

// Twelve batches run side by side and end together: over all of them no minute has more edits than Slack takes of the
// whole workspace, whenever that minute begins, and the end of each is shown within seconds.
func TestTwelveRunsTogether(t *testing.T) {
	t.Parallel()
	const batches, rows, perMinute = 12, 16, 50
	a := newAccounts(batches * rows)
	a.takes = 20 * time.Second // 4 at a time each: a run takes over a minute
	inBubble(t, a, func(w *world) {
		t := w.t
		var cards []workspace.Message
		for i := range batches {
			w.say(requests, "", slice(i*rows, rows))
			cards = append(cards, w.cardSays(int64(i+1), "Needs 1 approval"))
		}
		time.Sleep(3 * time.Minute) // nothing is edited: whatever Slack allows is there
		w.approveAtOnce(cards, 10*time.Second)
		var ended time.Time
		for i, card := range cards {
			w.inThread(card.TS, fmt.Sprintf("#%d finished", i+1))
			b, err := w.db.Batch(t.Context(), int64(i+1))
			if err != nil {
				t.Fatal(err)
			}
			if b.Ended.After(ended) {
				ended = b.Ended
			}
		}
		for i, card := range cards {
			w.cardSays(int64(i+1), "*Done*")
			w.inThread(card.TS, fmt.Sprintf("*%d* done · *0* failed\n", rows))
		}
		shown := time.Since(ended)
		var edits []time.Time
		for _, c := range w.slack.Calls() {
			if c.Method == "chat.update" {
				edits = append(edits, c.At)
			}
		}
		most := 0
		for i, at := range edits {
			n := 0
			for _, later := range edits[i:] {
				if later.Sub(at) < time.Minute {
					n++
				}
			}
			most = max(most, n)
		}
		t.Logf("%d edits, at most %d in a minute; all ends were shown after %v", len(edits), most, shown)
		switch {
		case most > perMinute:
			t.Errorf("%d edits in one minute, Slack takes %d", most, perMinute)
		case most < perMinute:
			t.Errorf("%d edits in the fullest minute: there is too little to do for the limit of %d to matter", most, perMinute)
		}
		if shown > 30*time.Second {
			t.Errorf("it took %v until the end of all was shown", shown)
		}
		if refused := w.throttledCalls(); len(refused) > 0 {
			t.Errorf("Slack refused calls for their rate: %q", refused)
		}
	})
}
