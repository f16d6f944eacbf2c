package bot

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// A rejection with nothing but spaces as its reason keeps the form open and says what is missing.
func TestRejectWithoutReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0ALICE", card, actionReject)
	w.until("the form is open", func() bool { return len(w.slack.Views("U0ALICE")) == 1 })
	view := w.slack.Views("U0ALICE")[0]
	if err := w.slack.SubmitView(t.Context(), "U0ALICE", view.ID, map[string]string{reasonInput: " \n "}); err == nil {
		t.Error("a reason of spaces was taken")
	}
	if open := w.slack.Views("U0ALICE"); len(open) != 1 {
		t.Error("the form was closed")
	}
	if b, err := w.db.Batch(t.Context(), 1); err != nil || b.State != workflow.AwaitingApproval {
		t.Errorf("the batch is %v, %v", b.State, err)
	}
	if err := w.slack.SubmitView(t.Context(), "U0ALICE", view.ID, map[string]string{reasonInput: "wrong domain"}); err != nil {
		t.Fatal(err)
	}
	w.cardSays(1, "wrong domain")
}

// Words that somebody writes to the bot are answered with what it can do, once each.
func TestWordsToTheBot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	dm := w.slack.OpenDM("U0DAVE")
	said, err := w.slack.Say(t.Context(), "U0DAVE", dm, "", "hello?")
	if err != nil {
		t.Fatal(err)
	}
	again := eventOf("again", "Ev0AGAIN", said, map[string]any{"subtype": "", "channel_type": "im", "files": nil})
	for range 3 {
		if err := w.slack.SendRaw(again); err != nil {
			t.Fatal(err)
		}
	}
	helps := func() int {
		n := 0
		for _, m := range w.slack.Messages(dm, "U0DAVE") {
			if strings.Contains(text(m), "after a second person has approved") {
				n++
			}
		}
		return n
	}
	w.until("there is help for the message and for its other event", func() bool { return helps() >= 2 })
	w.command("U0DAVE", "C0OTHER", "help")
	w.told("U0DAVE", "C0OTHER", "after a second person has approved")
	if n := helps(); n != 2 {
		t.Errorf("helped %d times, want twice", n)
	}
}

// The plan file shows the plan, also when the batch was withdrawn before the file could be put.
func TestPlanOfAWithdrawnBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method == "files.getUploadURLExternal" {
			return &workspace.Reply{Status: http.StatusServiceUnavailable}
		}
		return nil
	}})
	w.say(requests, "", renames(2))
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0CAROL", card, actionWithdraw)
	w.cardSays(1, "*Withdrawn* by <@U0CAROL>")
	w.faults(workspace.Faults{})
	plan := w.fileInThread(card.TS, "batch-1-plan.csv")
	if !strings.Contains(plan, "p0@new.example,ready,") || strings.Contains(plan, "skipped") {
		t.Errorf("plan:\n%s", plan)
	}
	if card := w.cardSays(1, "*Withdrawn*"); !strings.HasSuffix(card.Text, ": withdrawn") {
		t.Errorf("the card's text is %q", card.Text)
	}
	if err := w.slack.ClickStale(t.Context(), "U0DAVE", requests, card, actionWithdraw); err != nil {
		t.Fatal(err)
	}
	w.told("U0DAVE", requests, "#1 was withdrawn by <@U0CAROL>")
}

// The log says why there is no connection, and never where the socket was.
func TestPlainError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("websocket: bad handshake"), "websocket: bad handshake"},
		{slack.SlackErrorResponse{Err: "internal_error"}, "internal_error"},
		{
			fmt.Errorf("connect to Slack: %w", &url.Error{
				Op: "Get", URL: "wss://wss.slack.com/link/?ticket=secret&app_id=1", Err: errors.New("no route to host"),
			}),
			`connect to Slack: Get "(address)": no route to host`,
		},
		{errors.New("dial: ticket=secret is old"), "dial: (address) is old"},
		{nil, "no reason is known"},
	} {
		if got := plainError(c.err); got != c.want {
			t.Errorf("%v is written as %q, want %q", c.err, got, c.want)
		}
	}
}

// Without any connection we are not ready after a quarter of a minute.
func TestReadyGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		s := &sockets{links: []*link{l}}
		l.hello()
		l.down()
		time.Sleep(14 * time.Second)
		if err := s.readyNow(); err != nil {
			t.Errorf("not ready after 14 s: %v", err)
		}
		time.Sleep(2 * time.Second)
		if s.readyNow() == nil {
			t.Error("ready after 16 s without a connection")
		}
	})
}

// A search shows what would change something, and says when there may be more.
func TestFoundSaysWhatHelps(t *testing.T) {
	var many []workflow.Found
	for i := range 10 {
		f := workflow.Found{
			Account:    workflow.Account{ID: fmt.Sprint(i), Email: "a@x.example", Status: workflow.StatusActive, Managed: true},
			Privileges: map[workflow.ActionName]workflow.Privilege{},
		}
		for _, name := range workflow.BuiltActions() {
			f.Privileges[name] = workflow.Privilege{Allowed: true}
		}
		many = append(many, f)
	}
	all := func(accounts []workflow.Found) string {
		var out []string
		for _, b := range found("a", accounts).Blocks {
			if s, ok := b.(*slack.SectionBlock); ok {
				out = append(out, s.Text.Text)
			}
		}
		return strings.Join(out, "\n")
	}
	got := all(many)
	if !strings.Contains(got, "*The first 8 accounts* for “a”; look for something longer") {
		t.Errorf("ten accounts: %s", got)
	}
	if got = all(many[:1]); !strings.Contains(got, "deactivate: may") || strings.Contains(got, "• activate") {
		t.Errorf("an active account: %s", got)
	}
	many[0].Account.Status = workflow.StatusInactive
	if got = all(many[:1]); !strings.Contains(got, "• activate: may") || slices.Contains(strings.Fields(got), "deactivate:") {
		t.Errorf("a deactivated account: %s", got)
	}
}
