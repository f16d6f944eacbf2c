package bot_test

import (
	"testing"
	"time"
)

// What somebody asked for directly while the bot was away is asked for when it is back, once. Every other
// command is answered with that it was not done: whoever wrote it may want something else today.
func TestWordsWhileAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(8))
	w.drain = 5 * time.Second // an answer that is cut after Slack took it comes again
	w.onceOnly()
	w.writes("U0CAROL", "batches") // before
	w.answeredDirectly("U0CAROL", "batch")
	w.until("it is noted since when messages are ours", func() bool {
		noted, err := w.db.Recall(t.Context(), "slack/heard")
		return err == nil && noted != nil
	})
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{
		"rename p0@old.example p0@new.example reason: while away", "pause 1", "find p1@old.example", "rename p1@old.example",
		"thank you, see you at 5", "resume 1",
	} {
		w.writes("U0CAROL", words)
	}
	w.writes("U0DAVE", "rename p3@old.example p3@new.example") // without a role
	for range 2 {
		w.startBot(nil)
		w.cardSays(1, "while away")
		for _, words := range []string{"pause 1", "find p1@old.example", "rename p1@old.example", "resume 1"} {
			w.answeredDirectly("U0CAROL", "was away when you wrote “"+words+"”")
		}
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
	}
	w.startBot(nil)
	w.writes("U0CAROL", "rename p2@old.example p2@new.example")
	w.cardSays(2, "p2@old.example")
	w.answeredDirectly("U0CAROL", "#2 is being checked")
	if n := len(w.directly("U0CAROL", "was away")); n != 4 {
		t.Errorf("%d words are answered as those of a time away, want 4", n)
	}
	if said := w.directly("U0DAVE", ""); len(said) > 0 {
		t.Errorf("somebody without a role is told %q", text(said[0]))
	}
	if n := w.batchCount(); n != 2 {
		t.Errorf("%d batches, want 2", n)
	}
}

// A time in words that were written while the bot was away counts from then: what is past is refused.
func TestTimesWrittenWhileAway(t *testing.T) {
	inBubble(t, newAccounts(8), func(w *world) {
		t := w.t
		w.onceOnly()
		time.Sleep(time.Minute) // what comes in its first moment is not ours
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		w.writes("U0CAROL", "rename p0@old.example p0@new.example at 01:30")
		w.writes("U0CAROL", "rename p1@old.example p1@new.example at 18:00")
		time.Sleep(3 * time.Hour)
		w.startBot(nil)
		w.answeredDirectly("U0CAROL", "is past")
		w.cardSays(1, "2000-01-01 18:00")
		if n := w.batchCount(); n != 1 {
			t.Errorf("%d batches, want 1", n)
		}
	})
}
