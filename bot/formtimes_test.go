package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// An end counts for as long as the form has a field for one: not for an action that cannot be taken
// back, and again for one that can.
func TestFormEndsWhereItShowsAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.command("U0CAROL", requests, "new")
	form := w.modalSays("U0CAROL", "old → new")
	if err := w.slack.FillView("U0CAROL", form.ID, map[string]string{view.FieldLines: "p1@old.example", view.FieldFor: "8h"}); err != nil {
		t.Fatal(err)
	}
	for action, ends := range map[workflow.ActionName]bool{workflow.RevokeTokens: false, workflow.Deactivate: true} {
		w.press("U0CAROL", form, view.FieldAction, string(action))
		w.until("the form is for "+string(action), func() bool {
			return strings.Contains(string(w.slack.Views("U0CAROL")[0].Blocks), view.FieldFor) == ends
		})
		w.submit("U0CAROL", w.slack.Views("U0CAROL")[0], nil)
		checked := w.modalSays("U0CAROL", "Fix rows")
		if strings.Contains(viewText(checked), "ends 8h after its start") != ends {
			t.Errorf("%s may end: %v; the check shows\n%s", action, ends, viewText(checked))
		}
		w.press("U0CAROL", checked, view.ActionFix, "")
		form = w.viewWith("U0CAROL", view.FieldAction)
	}
}

// A time is what the check showed: sent after it has passed, the form comes back and says so, and a
// time of day never becomes the next day's without being shown.
func TestFormKeepsTheTimeThatWasChecked(t *testing.T) {
	inBubble(t, newAccounts(4), func(w *world) {
		t := w.t
		zone, err := time.LoadLocation("Europe/Amsterdam") // of people in the workspace
		if err != nil {
			t.Fatal(err)
		}
		check := func() workspace.View {
			w.command("U0CAROL", requests, "new")
			form := w.modalSays("U0CAROL", "old → new")
			w.submit("U0CAROL", form, map[string]string{
				view.FieldLines: "p1@old.example → p1@new.example", view.FieldAt: time.Now().In(zone).Add(time.Minute).Format("15:04"),
			})
			return w.modalSays("U0CAROL", "*1* ready")
		}
		today := time.Now().In(zone).Add(time.Minute).Format("at Mon 2006-01-02 15:04")
		checked := check()
		if !strings.Contains(viewText(checked), today) {
			t.Errorf("the check does not say %q:\n%s", today, viewText(checked))
		}
		time.Sleep(2 * time.Minute)
		w.submit("U0CAROL", checked, nil)
		form := w.modalSays("U0CAROL", "is past")
		w.submit("U0CAROL", form, nil)
		tomorrow := time.Now().In(zone).Add(24*time.Hour - time.Minute).Format("at Mon 2006-01-02 15:04")
		w.submit("U0CAROL", w.modalSays("U0CAROL", tomorrow), nil)
		w.cardSays(1, "Needs 1 approval")
	})
}
