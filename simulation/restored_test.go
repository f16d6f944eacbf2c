package simulation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/workspace"
)

// The database is put back to a copy from before two batches and a report: the bot notices at its start, says so once, gives
// no number twice, and doctor says it too. The log of the restored database is whole, with its gap told.
func TestDatabaseWentBack(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.begin()
	accounts := h.movable(8)
	h.send(sandbox.Hana, "reason: one", "one.csv", moves(accounts[:2]))
	h.click(sandbox.Alice, "Approve")
	h.file("batch-1-results.csv")
	h.end()

	kept := filepath.Join(t.TempDir(), "copy.db")
	if code, out, errw := h.command("backup", kept); code != 0 {
		t.Fatalf("backup: %d %s%s", code, out, errw)
	}
	if code, out, _ := h.command("doctor"); !strings.Contains(out, "the database knows all that stands in the channels") {
		t.Errorf("doctor before: %d\n%s", code, out)
	}

	h.begin()
	h.send(sandbox.Hana, "reason: two", "two.csv", moves(accounts[2:4]))
	h.until("the card of batch 2", func() bool { _, ok := h.card(2); return ok })
	h.send(sandbox.Hana, "reason: three", "three.csv", moves(accounts[4:6]))
	h.until("the card of batch 3", func() bool { _, ok := h.card(3); return ok })
	if err := h.world.Workspace.Command(t.Context(), sandbox.Alice, sandbox.Requests, "report run nightly-accounts"); err != nil {
		t.Fatal(err)
	}
	h.until("a report with the head of the log", func() bool {
		for _, m := range h.world.Workspace.Messages(sandbox.Reports, sandbox.Alice) {
			if strings.Contains(m.Text, "\nLog head: ") {
				return true
			}
		}
		return false
	})
	h.end()

	h.putBack(kept)
	if code, out, _ := h.command("doctor"); code != 1 || !strings.Contains(out, "wrong store.path: the database went back in time") ||
		!strings.Contains(out, "Slack shows batch #3, and the database knows batches up to #1") {
		t.Errorf("doctor on the restored database: %d\n%s", code, out)
	}

	for range 2 { // it is said at the first start only
		h.begin()
		h.until("it is said", func() bool { return len(h.wentBack()) > 0 })
		h.end()
	}
	said := h.wentBack()
	if len(said) != 1 {
		t.Fatalf("said %d times, want once", len(said))
	}
	for _, want := range []string{"Slack shows batch #3", "up to #1", "from #4 on", "#2 to #3", "which is not in it"} {
		if !strings.Contains(said[0].Text, want) {
			t.Errorf("it says %q, without %q", said[0].Text, want)
		}
	}
	h.begin()
	h.send(sandbox.Hana, "reason: four", "four.csv", moves(accounts[6:8]))
	h.until("the card of batch 6", func() bool { _, ok := h.card(6); return ok }) // #4 and #5 are the two files, taken anew
	h.end()
	if code, out, errw := h.command("audit", "verify"); code != 0 || !strings.Contains(out, "and 4 batches") {
		t.Errorf("verify: %d %s%s", code, out, errw)
	}
	if _, out, _ := h.command("doctor"); !strings.Contains(out, "warn  store.path: the database went back in time, as the channel was told") {
		t.Errorf("doctor afterwards:\n%s", out)
	}
}

// The database is put back to a copy in which a batch waits that has run since: its card shows what the database knows,
// with the buttons for it, and what was done then is told as done.
func TestCardsOfADatabaseThatWentBack(t *testing.T) {
	t.Parallel()
	h := newEnv(t)
	h.begin()
	h.send(sandbox.Hana, "reason: one", "one.csv", moves(h.movable(2)))
	h.until("the card waits", func() bool { m, ok := h.card(1); return ok && buttons(m)["Approve"] != "" })
	kept := filepath.Join(t.TempDir(), "copy.db")
	if code, out, errw := h.command("backup", kept); code != 0 {
		t.Fatalf("backup: %d %s%s", code, out, errw)
	}
	h.click(sandbox.Alice, "Approve")
	h.file("batch-1-results.csv")
	h.until("the card shows the end", func() bool { m, ok := h.card(1); return ok && buttons(m)["Undo"] != "" })
	h.end()
	h.putBack(kept)

	h.begin()
	h.until("the card waits again", func() bool { m, ok := h.card(1); return ok && buttons(m)["Approve"] != "" })
	h.until("it is said", func() bool { return len(h.wentBack()) == 1 })
	if said := h.wentBack()[0].Text; !strings.Contains(said, "It does not know what became of #1 since.") {
		t.Errorf("it says %q", said)
	}
	h.click(sandbox.Alice, "Approve")
	h.until("it has ended", func() bool { m, ok := h.card(1); return ok && buttons(m)["Approve"] == "" && buttons(m)["Pause"] == "" })
	h.end()
}

// putBack has the database be the copy.
func (h *env) putBack(kept string) {
	h.t.Helper()
	raw, err := os.ReadFile(kept)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(h.cfg.Store.Path + name); err != nil && !os.IsNotExist(err) {
			h.t.Fatal(err)
		}
	}
	if err := os.WriteFile(h.cfg.Store.Path, raw, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// wentBack are the messages in the channel that say so.
func (h *env) wentBack() (said []workspace.Message) {
	for _, m := range h.world.Workspace.Messages(sandbox.Requests, sandbox.Alice) {
		if strings.Contains(m.Text, "The database went back in time") {
			said = append(said, m)
		}
	}
	return said
}
