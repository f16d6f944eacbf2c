package bot_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// stuck is an engine whose decisions take for ever.
type stuck struct{ bot.Engine }

func (stuck) Decide(
	ctx context.Context, number int64, _ workflow.Actor, _ workflow.Verdict, _, _ string,
) (*workflow.Batch, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("decide about batch %d: %w", number, context.Cause(ctx))
}

// Whoever pressed a button hears of it, also when what it does took too long, so that there is no time left in which to say so.
func TestAClickThatTakesTooLongIsAnswered(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(2), func(w *world) {
		t := w.t
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		w.wrap = func(e bot.Engine) bot.Engine { return stuck{e} }
		w.startBot(nil)
		w.say(requests, "", renames(2))
		card := w.cardSays(1, "Needs 1 approval")
		w.click("U0ALICE", card, view.ActionApprove)
		time.Sleep(2 * time.Minute)
		for _, m := range w.slack.Messages(requests, "U0ALICE") {
			if m.Ephemeral && strings.Contains(text(m), "went wrong") {
				return
			}
		}
		t.Error("who clicked was told nothing")
	})
}

// With no room left even for saying so, Slack tells whoever gave a command or pressed a button that the bot did not answer.
func TestNothingIsTakenThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	before := w.bot.SetRoom(0)
	answers := w.bot.SetAnswerRoom(0)
	if err := w.slack.Command(t.Context(), "U0CAROL", requests, "domains"); err == nil {
		t.Error("a command was acknowledged that nobody will answer")
	}
	w.bot.SetRoom(before)
	w.bot.SetAnswerRoom(answers)
	w.command("U0CAROL", requests, "domains")
	w.told("U0CAROL", requests, "new.example: verified")
}
