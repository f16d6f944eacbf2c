package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
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
		if strings.Contains(viewText(checked), "For 8h") != ends {
			t.Errorf("%s may end: %v; the check shows\n%s", action, ends, viewText(checked))
		}
		w.press("U0CAROL", checked, view.ActionFix, "")
		form = w.viewWith("U0CAROL", view.FieldAction)
	}
}
