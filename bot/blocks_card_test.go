package bot

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	alice = workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@example.com"}
	bob   = workflow.Person{ID: "U0BOB", Name: "Bob", Email: "bob@example.com"}
	carol = workflow.Person{ID: "U0CAROL", Name: "Carol", Email: "carol@example.com"}
)

const testDigest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func at(minutes int) time.Time {
	return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// sealedBatch is a batch of 1,200 renames that waits for approval.
func sealedBatch() card {
	b := &workflow.Batch{
		Number: 42, State: workflow.AwaitingApproval, Revision: 17, Requester: carol, Author: carol,
		Reason: "the domain moves", Rows: 1220, Checked: 1220, Ignored: []string{"department", "cost centre"},
		Source:  workflow.Source{Kind: workflow.SourceFile, Channel: "C0REQ", Message: "1.2", FileName: "move.csv"},
		Digest:  testDigest,
		Created: at(0), Planned: at(1), Expires: at(24 * 60), Approvals: 1,
	}
	admins := []string{"U0ALICE", "S0ITADMINS", "U0CAROL"}
	c := card{Batch: b, Admins: admins, Summary: workflow.Summary{Groups: []workflow.Group{
		{Action: workflow.Rename, State: workflow.ChangeReady, Effect: workflow.EffectSignedOut, Count: 1150},
		{Action: workflow.Rename, State: workflow.ChangeReady, Count: 50},
		{Action: workflow.Rename, State: workflow.ChangeBlocked, Code: workflow.ReasonTaken, Count: 12},
		{Action: workflow.Rename, State: workflow.ChangeBlocked, Code: workflow.ReasonCouldNotCheck, Count: 3},
		{Action: workflow.Rename, State: workflow.ChangeUnchanged, Code: workflow.ReasonAlready, Count: 4},
		{State: workflow.ChangeBad, Code: workflow.ReasonUnreadable, Count: 1},
	}}}
	for i := range 15 {
		c.First = append(c.First, workflow.Change{
			Batch: 42, Row: i + 2, Action: workflow.Rename, AccountID: fmt.Sprintf("712020:%04d", i),
			Name:     fmt.Sprintf("Person %d", i),
			OldEmail: fmt.Sprintf("p%d@old.example", i), NewEmail: fmt.Sprintf("p%d@new.example", i),
			State: workflow.ChangeReady,
		})
	}
	return c
}

func cards() map[string]card {
	out := map[string]card{}
	in := func(name string, change func(*card)) {
		c := sealedBatch()
		change(&c)
		out[name] = c
	}
	in("planning", func(c *card) {
		*c = card{Batch: &workflow.Batch{
			Number: 42, State: workflow.Planning, Revision: 2, Requester: carol, Author: carol, Rows: 5000, Checked: 1200,
			Verb: workflow.Deactivate, Created: at(0),
		}}
	})
	in("awaiting", func(*card) {})
	in("awaiting_second", func(c *card) {
		c.Batch.Approvals = 2
		c.Batch.Author = alice
		c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(5)}}
		c.Nobody = "Nobody can approve this just now: the group of admins is empty."
	})
	in("by_rule", func(c *card) {
		c.Batch.Approvals, c.Batch.Why = 2, []string{"more than 200 changes, here 1200", "accounts of the group <!channel>"}
		c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(5)}}
		c.Batch.Dropped = []string{bob.ID}
		c.Batch.Traits.NoGroups = []string{"break-glass"}
	})
	in("emergency", func(c *card) { c.Batch.Emergency = true })
	in("emergency_done", func(c *card) {
		approve(c, workflow.Done)
		c.Batch.Ended, c.Batch.Emergency = at(30), true
		c.Summary.Groups[0].State, c.Summary.Groups[1].State = workflow.ChangeDone, workflow.ChangeDone
	})
	in("approved", func(c *card) { approve(c, workflow.Approved) })
	in("running", func(c *card) { approve(c, workflow.Running) })
	in("cancelling", func(c *card) {
		approve(c, workflow.Running)
		c.Batch.Ending = &workflow.Ending{By: carol, How: workflow.Cancelled, Reason: "cancelled", At: at(12)}
	})
	in("paused_by_bot", func(c *card) {
		approve(c, workflow.Paused)
		c.Batch.Stop = workflow.Stop{Cause: workflow.StopCanary, Rows: []int{3}, At: at(11)}
	})
	in("done", func(c *card) {
		approve(c, workflow.Done)
		c.Batch.Ended = at(30)
		c.Summary.Groups[0].State = workflow.ChangeDone
		c.Summary.Groups[1].State, c.Summary.Groups[1].Code = workflow.ChangeFailed, workflow.ReasonDrifted
	})
	in("rejected", func(c *card) {
		c.Batch.State, c.Batch.Ended = workflow.Rejected, at(9)
		c.Batch.Ending = &workflow.Ending{By: bob, How: workflow.Rejected, Reason: "not <!channel> today & never", At: at(9)}
	})
	in("expired", func(c *card) { c.Batch.State, c.Batch.Ended = workflow.Expired, at(24*60) })
	in("withdrawn", func(c *card) {
		c.Batch.State, c.Batch.Ended = workflow.Cancelled, at(9)
		c.Batch.Ending = &workflow.Ending{By: carol, How: workflow.Cancelled, Reason: "withdrawn", At: at(9)}
	})
	in("mixed", func(c *card) {
		c.Batch.Number = 7
		c.First = []workflow.Change{
			{Row: 1, Action: workflow.Rename, Name: "A", OldEmail: "a@x.example", NewEmail: "a@y.example"},
			{Row: 2, Action: workflow.Deactivate, AccountID: "712020:b", OldEmail: "b@x.example"},
			{Row: 3, Action: workflow.Activate, Name: "<!here> *C*", OldEmail: ""},
		}
		c.Summary.Groups = []workflow.Group{
			{Action: workflow.Rename, State: workflow.ChangeReady, Effect: workflow.EffectSignedOut, Count: 1},
			{Action: workflow.Deactivate, State: workflow.ChangeReady, Effect: workflow.EffectLockedOut, Count: 1},
			{Action: workflow.Activate, State: workflow.ChangeReady, Effect: workflow.EffectBilled, Count: 12},
		}
	})
	in("empty", func(c *card) {
		c.Batch.State, c.Batch.Digest, c.First = workflow.Empty, "", nil
		c.Summary.Groups = c.Summary.Groups[2:]
	})
	return out
}

func approve(c *card, s workflow.State) {
	c.Batch.State, c.Batch.Approved, c.Batch.Started = s, at(10), at(10)
	c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(10)}}
}

func TestCardGolden(t *testing.T) {
	for name, c := range cards() {
		t.Run(name, func(t *testing.T) { golden(t, "card_"+name, c.draw()) })
	}
}

// golden compares a message with testdata/blocks, and checks it against Slack's limits.
func golden(t *testing.T, name string, m message) {
	t.Helper()
	withinLimits(t, m)
	got, err := json.MarshalIndent(map[string]any{"text": m.Text, "blocks": m.Blocks}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", "blocks", name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// withinLimits holds a message to Slack's limits.
func withinLimits(t *testing.T, m message) {
	t.Helper()
	raw, err := json.Marshal(m.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []map[string]any
	if err := json.Unmarshal(raw, &blocks); err != nil {
		t.Fatal(err)
	}
	if len(blocks) > maxBlocks {
		t.Errorf("%d blocks, at most %d", len(blocks), maxBlocks)
	}
	if strings.TrimSpace(m.Text) == "" || utf8.RuneCountInString(m.fallback()) > maxFallback {
		t.Errorf("fallback text of %d letters", utf8.RuneCountInString(m.Text))
	}
	ids, total := map[string]bool{}, 0
	for _, b := range blocks {
		id, _ := b["block_id"].(string)
		if id == "" || len(id) > maxBlockID || ids[id] {
			t.Errorf("block id %q is empty, too long or twice", id)
		}
		ids[id] = true
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(path+"/"+k, x)
			}
			text, ok := v["text"].(string)
			if !ok {
				return
			}
			n := utf8.RuneCountInString(text)
			total += n
			limit := maxSection
			switch {
			case strings.Contains(path, "/confirm/text"):
				limit = maxConfirmText
			case strings.Contains(path, "/elements") && v["type"] == slack.PlainTextType:
				limit = maxButtonText
			}
			if n == 0 || n > limit {
				t.Errorf("%s has %d letters, allowed are 1 to %d", path, n, limit)
			}
			if value, ok := v["value"].(string); ok && len(value) > maxButtonValue {
				t.Errorf("%s: value of %d bytes", path, len(value))
			}
		case []any:
			for i, x := range v {
				walk(fmt.Sprintf("%s/%d", path, i), x)
			}
		}
	}
	for i, b := range blocks {
		walk(fmt.Sprintf("/%d", i), b)
	}
	if total > maxBlockText {
		t.Errorf("%d letters over all blocks, at most %d", total, maxBlockText)
	}
}

// The largest card there can be stays within Slack's limits, and nothing in it mentions anybody that we did not.
func TestLargestCard(t *testing.T) {
	evil := strings.Repeat("<!channel> &é", 800)
	c := sealedBatch()
	approve(&c, workflow.AwaitingApproval)
	c.Batch.Number, c.Batch.Revision = 1<<62, 1<<62
	c.Batch.Reason, c.Batch.Source.FileName, c.Nobody = evil, evil, evil
	c.Batch.Ignored = []string{evil, evil}
	c.Batch.Approvals = 9
	for range 500 {
		c.Admins = append(c.Admins, "U0123456789A")
	}
	c.Summary.Groups = nil
	for _, state := range workflow.ChangeStates() {
		for i := range 40 {
			c.Summary.Groups = append(c.Summary.Groups, workflow.Group{
				Action: workflow.ActionNames()[i%18], State: state, Code: workflow.ReasonCode(evil + fmt.Sprint(i)), Count: 1_000_000,
				Effect: workflow.EffectSignedOut,
			})
		}
	}
	for i := range c.First {
		c.First[i].Name, c.First[i].OldEmail, c.First[i].NewEmail, c.First[i].Action = evil, evil, evil, workflow.Rename
	}
	m := c.draw()
	withinLimits(t, m)
	for _, b := range m.Blocks {
		if _, cell := b.(*slack.TableBlock); cell {
			continue // raw_text cells are not read as mrkdwn
		}
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if s := string(raw); strings.Contains(s, `\u003c!channel`) && strings.Contains(s, `"mrkdwn"`) {
			back = s
		}
		if back != "" {
			t.Errorf("a mention got through: %.300s", back)
		}
	}
}

// The dialog of Approve shows the whole seal, whatever else it has to say.
func TestDialogShowsTheSeal(t *testing.T) {
	c := sealedBatch()
	c.Summary.Groups = nil
	for i := range 40 {
		c.Summary.Groups = append(c.Summary.Groups, workflow.Group{
			Action: workflow.Rename, State: workflow.ChangeReady, Effect: workflow.Effect(fmt.Sprintf("effect_%d_é", i)), Count: 9,
		})
	}
	text := c.approving("rename 360 accounts")
	if n := utf8.RuneCountInString(text); n > maxConfirmText || !strings.HasSuffix(text, "…\nSeal: "+workflow.Seal(testDigest)) {
		t.Errorf("%d letters: %s", n, text)
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"}, {"äöü", 3, "äöü"}, {"abcdef", 1, "…"},
	} {
		if got := clip(c.in, c.limit); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %s, want %s", n, got, want)
		}
	}
}

func FuzzParseValue(f *testing.F) {
	f.Add("42:" + testDigest)
	f.Add("0:")
	f.Add("+1:ab")
	f.Add("9223372036854775808:")
	f.Fuzz(func(t *testing.T, value string) {
		n, digest, ok := parseValue(value)
		if ok && buttonValue(n, digest) != value {
			t.Errorf("%q is read as %d, %q and written as %q", value, n, digest, buttonValue(n, digest))
		}
	})
}

// A card never says that one approval is enough when it needs more by now.
func TestAnEmergencyThatIsNoneAnyMore(t *testing.T) {
	t.Parallel()
	b := &workflow.Batch{Number: 7, State: workflow.AwaitingApproval, Emergency: true, Approvals: 3}
	said, err := json.Marshal(card{Batch: b}.draw().Blocks)
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]bool{"*Emergency*": true, "is enough": false, "Needs 3 approvals": true} {
		if got := strings.Contains(string(said), words); got != want {
			t.Errorf("the card says %q: %v", words, got)
		}
	}
}
