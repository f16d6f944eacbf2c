package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// useFile has Carol open the form for a file of a message of Alice's, and returns it.
func (w *world) useFile(file workspace.Upload) workspace.View {
	w.t.Helper()
	m, err := w.slack.Say(w.t.Context(), "U0ALICE", "C0OTHER", "", "", file)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.slack.MessageShortcut(w.t.Context(), "U0CAROL", "C0OTHER", m.TS, view.ShortcutCSV); err != nil {
		w.t.Fatal(err)
	}
	return w.viewWith("U0CAROL", view.ActionNoFile)
}

// The rows of a form are those of the file that it names, and who uploaded that one is their author:
// another file in its place brings its own rows, whatever was read for the form before.
func TestFormTakesTheRowsOfItsFile(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]bool{"checked before": true, "not checked before": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(4))
			form := w.useFile(renames(3))
			if check {
				w.submit("U0CAROL", form, nil)
				w.press("U0CAROL", w.modalSays("U0CAROL", "*3* ready"), view.ActionFix, "")
				form = w.viewWith("U0CAROL", "renames.csv")
			}
			own := w.slack.AddFile("U0CAROL", workspace.Upload{Name: "own.csv", Content: []byte("account_id,new_email\n712020:0003,own@new.example\n")})
			w.submit("U0CAROL", form, map[string]string{view.FieldFile: own})
			checked := w.modalSays("U0CAROL", "*1* ready")
			if !strings.Contains(viewText(checked), "own@new.example") {
				t.Errorf("the check shows\n%s", viewText(checked))
			}
			w.submit("U0CAROL", checked, nil)
			w.cardSays(1, "with own.csv")
			rows, err := w.db.Rows(t.Context(), 1)
			b, wrong := w.db.Batch(t.Context(), 1)
			if err != nil || wrong != nil {
				t.Fatal(err, wrong)
			}
			if len(rows) != 1 || rows[0].NewEmail() != "own@new.example" || b.Author.ID != "U0CAROL" {
				t.Errorf("asked with author %s for %+v", b.Author.ID, rows)
			}
		})
	}
}

// A file that was taken out of the form leaves nothing behind: no row is asked for by it, and nobody is
// left out of a domain by it.
func TestFormWithoutItsFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	stay := workspace.Upload{Name: "stay.csv", Content: []byte("email\np1@old.example\n")}
	form := w.useFile(stay)
	w.press("U0CAROL", form, view.FieldAction, string(view.MoveAction))
	form = w.viewWith("U0CAROL", view.FieldOld)
	w.submit("U0CAROL", form, map[string]string{view.FieldOld: "old.example", view.FieldNew: "new.example"})
	w.press("U0CAROL", w.modalSays("U0CAROL", "*3* ready"), view.ActionFix, "")
	w.press("U0CAROL", w.viewWith("U0CAROL", view.ActionNoFile), view.ActionNoFile, "")
	w.until("the file is out of the form", func() bool {
		views := w.slack.Views("U0CAROL")
		return !strings.Contains(string(views[0].Blocks), view.ActionNoFile)
	})
	w.submit("U0CAROL", w.slack.Views("U0CAROL")[0], nil)
	w.submit("U0CAROL", w.modalSays("U0CAROL", "*4* ready"), nil)
	w.cardSays(1, "Needs 1 approval")
	b, err := w.db.Batch(t.Context(), 1)
	if err != nil || b.Author.ID != "U0CAROL" || b.Source.Move == nil || len(b.Source.Move.Except) > 0 {
		t.Errorf("asked with author %s for %+v, %v", b.Author.ID, b.Source.Move, err)
	}
	if s, err := w.db.Summary(t.Context(), 1); err != nil || s.State(workflow.ChangeReady) != 4 {
		t.Errorf("%+v, %v; want 4 rows", s, err)
	}
}

// What is sent is what was checked: bytes that have changed in Slack since, with nothing remembered of
// those that were checked, are checked anew before they can be sent.
func TestFormFileChangedAfterTheCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	form := w.useFile(renames(3))
	id := form.PrivateMetadata
	_, id, _ = strings.Cut(id, `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	w.submit("U0CAROL", form, nil)
	checked := w.modalSays("U0CAROL", "*3* ready")
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.startBot(nil)
	if err := w.slack.UpdateFile(id, renames(1).Content, nil); err != nil {
		t.Fatal(err)
	}
	w.submit("U0CAROL", checked, nil)
	form = w.modalSays("U0CAROL", "it is not the file that was checked")
	w.submit("U0CAROL", form, nil)
	w.submit("U0CAROL", w.modalSays("U0CAROL", "*1* ready"), nil)
	w.cardSays(1, "Needs 1 approval")
	if rows, err := w.db.Rows(t.Context(), 1); err != nil || len(rows) != 1 {
		t.Errorf("asked for %+v, %v", rows, err)
	}
}

// A check reads the file as it is now: what was corrected in Slack since the check before it is what the
// next one shows, and what is sent.
func TestFormChecksItsFileAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	id := w.slack.AddFile("U0CAROL", renames(3))
	w.command("U0CAROL", requests, "new")
	w.submit("U0CAROL", w.modalSays("U0CAROL", "old → new"), map[string]string{view.FieldFile: id})
	w.press("U0CAROL", w.modalSays("U0CAROL", "*3* ready"), view.ActionFix, "")
	form := w.viewWith("U0CAROL", "renames.csv")
	if err := w.slack.UpdateFile(id, []byte("account_id,new_email\n712020:0003,right@new.example\n"), nil); err != nil {
		t.Fatal(err)
	}
	w.submit("U0CAROL", form, nil)
	checked := w.modalSays("U0CAROL", " ready")
	if !strings.Contains(viewText(checked), "right@new.example") {
		t.Fatalf("the check shows\n%s", viewText(checked))
	}
	w.submit("U0CAROL", checked, nil)
	w.cardSays(1, "with renames.csv")
	rows, err := w.db.Rows(t.Context(), 1)
	if err != nil || len(rows) != 1 || rows[0].NewEmail() != "right@new.example" {
		t.Errorf("asked for %+v, %v", rows, err)
	}
}

// Remove takes a file out of the form also when it was chosen in the form's own field, which holds it
// in Slack for as long as it is the same field.
func TestFormRemovesAFileOfItsField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.command("U0CAROL", requests, "new")
	form := w.modalSays("U0CAROL", "old → new")
	id := w.slack.AddFile("U0CAROL", renames(3))
	if err := w.slack.FillView("U0CAROL", form.ID, map[string]string{view.FieldFile: id}); err != nil {
		t.Fatal(err)
	}
	w.press("U0CAROL", form, view.FieldAction, string(workflow.Deactivate))
	w.press("U0CAROL", w.viewWith("U0CAROL", view.ActionNoFile), view.ActionNoFile, "")
	w.until("the file is out of the form", func() bool {
		return !strings.Contains(string(w.slack.Views("U0CAROL")[0].Blocks), view.ActionNoFile)
	})
	w.submit("U0CAROL", w.slack.Views("U0CAROL")[0], map[string]string{view.FieldLines: "p1@old.example"})
	checked := w.modalSays("U0CAROL", "*1* ready")
	if !strings.Contains(viewText(checked), "Deactivate Person 1") {
		t.Errorf("the check shows\n%s", viewText(checked))
	}
}

// A CSV may bring what the form would ask for, in its own field or from a message; lines need it in the
// form, which says so below the field.
func TestFormLeavesColumnsToTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	for action, missing := range map[workflow.ActionName]string{
		workflow.GroupAdd: "Say which group", workflow.SiteGroupAdd: "Say at which site", workflow.SiteDelete: "Say at which site",
	} {
		w.command("U0CAROL", requests, "new")
		form := w.modalSays("U0CAROL", "old → new")
		w.press("U0CAROL", form, view.FieldAction, string(action))
		form = w.modalSays("U0CAROL", "Needed, unless a CSV has it")
		err := w.slack.SubmitView(t.Context(), "U0CAROL", form.ID, map[string]string{view.FieldLines: "p1@old.example"})
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s without it: %v; want %q", action, err, missing)
		}
		both := map[string]string{view.FieldLines: "p1@old.example", view.FieldFile: w.slack.AddFile("U0CAROL", renames(1))}
		if err := w.slack.SubmitView(t.Context(), "U0CAROL", form.ID, both); err == nil || !strings.Contains(err.Error(), "not in both") {
			t.Errorf("%s with lines and a file: %v", action, err)
		}
		file := workspace.Upload{Name: "columns.csv", Content: []byte("email,group,site\np1@old.example,few people,main\n")}
		w.submit("U0CAROL", form, map[string]string{view.FieldLines: "", view.FieldFile: w.slack.AddFile("U0CAROL", file)})
		w.press("U0CAROL", w.modalSays("U0CAROL", "Fix rows"), view.ActionFix, "")
		if err := w.slack.CloseView(t.Context(), "U0CAROL", w.viewWith("U0CAROL", view.FieldAction).ID); err != nil {
			t.Fatal(err)
		}
	}
}

// The form for the file of a message says what the file holds and who cannot approve it; one that
// cannot be had or read is not in the form, which says why and takes another one.
func TestFormOfAMessageSaysWhatItsFileHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.slack.AddChannel(workspace.Channel{ID: "C0APART", Name: "apart", Members: []string{"U0ALICE", "U0CAROL"}})
	for _, c := range []struct {
		name, channel, content string
		want                   []string
		usable                 bool
	}{
		{"leavers.csv", "C0OTHER", "Email,message,floor\np1@old.example,Bye,3\np2@old.example,Bye,4\n", []string{
			"*leavers.csv*, 2 rows, 2 columns known (Email, message)", "<@U0ALICE> posted it, and cannot approve",
		}, true},
		{"apart.csv", "C0APART", "email\np1@old.example\n", []string{"Slack does not show it to me. Invite me to its channel, or upload it to me."}, false},
		{"floors.csv", "C0OTHER", "floor,room\n3,1\n", []string{"This file cannot be used"}, true},
	} {
		m, err := w.slack.Say(t.Context(), "U0ALICE", c.channel, "", "deactivate", workspace.Upload{Name: c.name, Content: []byte(c.content)})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.slack.MessageShortcut(t.Context(), "U0CAROL", c.channel, m.TS, view.ShortcutCSV); err != nil {
			t.Fatal(err)
		}
		form := w.viewWith("U0CAROL", view.FieldAction)
		for _, want := range c.want {
			if !strings.Contains(viewText(form), want) {
				t.Errorf("%s: the form does not say %q:\n%s", c.name, want, viewText(form))
			}
		}
		if strings.Contains(string(form.Blocks), view.ActionNoFile) != c.usable {
			t.Errorf("%s is in the form: %v", c.name, !c.usable)
		}
		if err := w.slack.CloseView(t.Context(), "U0CAROL", form.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// What is wrong with a form is said in words of its fields, and not of commands and messages.
func TestFormSaysWhichFieldIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	leavers := workspace.Upload{Name: "leavers.csv", Content: []byte("email\np1@old.example\n")}
	for want, values := range map[string]map[string]string{
		"The file does not say what should happen. Choose it.": {},
		"Fill in another time.":                                {view.FieldAt: "soon"},
	} {
		form := w.useFile(leavers)
		w.submit("U0CAROL", form, values)
		if said := viewText(w.modalSays("U0CAROL", want)); strings.Contains(said, "Send it again") || strings.Contains(said, "in the message") {
			t.Errorf("%q is said beside\n%s", want, said)
		}
		if err := w.slack.CloseView(t.Context(), "U0CAROL", form.ID); err != nil {
			t.Fatal(err)
		}
	}
}
