package bot_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// endless is an engine whose checks and searches for forms never end by themselves.
type endless struct{ bot.Engine }

func (endless) Preview(ctx context.Context, _ workflow.Actor, _ workflow.Request) (*workflow.Preview, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (endless) SearchAccounts(ctx context.Context, _ string, _ int) ([]workflow.Account, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// Checks and searches of forms, however many and however long, hold up neither decisions nor commands,
// and checks no searches.
func TestFormsHoldNothingUp(t *testing.T) {
	t.Parallel()
	const people, each = 12, 10
	for name, searches := range map[string]bool{"checks": false, "searches": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{accounts: newAccounts(8), wrap: func(e bot.Engine) bot.Engine { return endless{e} }}
			inBubbleWith(t, w, func(w *world) {
				t := w.t
				hold := make(chan struct{}) // of the bubble
				w.accounts.set(func() { w.accounts.hold = hold })
				ids := w.crowd(people)
				if err := w.slack.SetGroupMembers("S0HELPDESK", append(ids, "U0CAROL")); err != nil {
					t.Fatal(err)
				}
				w.say(requests, "", renames(5))
				card := w.cardSays(1, "Needs 1 approval")
				w.until("it can be approved", func() bool { m, _ := w.card(1); return pressable(m, view.ActionApprove) })
				time.Sleep(10 * time.Minute)
				var all sync.WaitGroup
				for _, id := range ids {
					w.joins(id)
					w.command(id, requests, "new")
					form := w.modalSays(id, "old → new")
					if !searches {
						w.submit(id, form, map[string]string{view.FieldLines: "p7@old.example → p7@new.example"})
						continue
					}
					for range each {
						all.Go(func() { _, _ = w.slack.Suggest(t.Context(), id, form.ID, view.FieldPerson, "person") })
					}
				}
				time.Sleep(100 * time.Millisecond)
				begin := time.Now()
				w.click("U0ALICE", card, view.ActionApprove)
				w.reaches(workflow.Running, begin, 5*time.Second)
				begin = time.Now()
				w.command("U0CAROL", requests, "rename p6@old.example p6@new.example")
				w.cardSays(2, "Needs 1 approval")
				if took := time.Since(begin); took > 10*time.Second {
					t.Errorf("a command has its card after %s", took)
				}
				if !searches {
					w.command("U0CAROL", requests, "new")
					form := w.modalSays("U0CAROL", "old → new")
					begin = time.Now()
					if _, err := w.slack.Suggest(t.Context(), "U0CAROL", form.ID, view.FieldPerson, "person"); err != nil {
						t.Errorf("a search after %s: %v", time.Since(begin), err)
					}
				}
				close(hold)
				all.Wait()
			})
		})
	}
}
