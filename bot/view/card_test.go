package view

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

	"github.com/countersign/countersign/bot/slackapi"
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

// The card says what people will read, and which products they are given; each once.
func TestCardSaysWhatPeopleGet(t *testing.T) {
	var gist Gist
	for _, message := range []string{"Welcome <!here>", "Welcome <!here>", "", "b", "c", "d"} {
		gist.Add(&workflow.Change{
			Action: workflow.Invite, State: workflow.ChangeReady,
			Set: workflow.Of(workflow.FieldMessage, message).With(workflow.FieldProducts, "confluence;jira-software"),
		})
	}
	lines, cut := gist.gets(6, false)
	if !cut {
		t.Error("a message is not there, and that is not said")
	}
	said := strings.Join(lines, "\n")
	for _, want := range []string{
		"Message to 2 of 6: “", "Message to 1 of 6: “b”", "“c”", "and 1 other message", "Products: confluence, jira-software",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in %q", want, said)
		}
	}
	if strings.Count(said, "Welcome") != 1 || strings.Contains(said, "<!here>") {
		t.Errorf("said: %q", said)
	}
}

// sealedBatch returns a batch of 1,200 renames that waits for approval.
func sealedBatch() Card {
	b := &workflow.Batch{
		Number: 42, State: workflow.AwaitingApproval, Revision: 17,
		BatchRequest: workflow.BatchRequest{
			Requester: carol, Author: carol,
			Reason: "the domain moves", Rows: 1220, Ignored: []string{"department", "cost centre"},
			Source:  workflow.Source{Kind: workflow.SourceFile, Channel: "C0REQ", Message: "1.2", FileName: "move.csv"},
			Created: at(0),
		},
		BatchPlan:     workflow.BatchPlan{Checked: 1220, Digest: testDigest, Planned: at(1)},
		BatchApproval: workflow.BatchApproval{Expires: at(24 * 60), Approvals: 1},
	}
	admins := []string{"U0ALICE", "S0ITADMINS", "U0CAROL"}
	c := Card{Batch: b, Admins: admins, Plan: File{There: true}, Summary: workflow.Summary{Groups: []workflow.Group{
		{Action: workflow.Rename, State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectSignedOut}, Count: 1150},
		{Action: workflow.Rename, State: workflow.ChangeReady, Count: 50},
		{Action: workflow.Rename, State: workflow.ChangeBlocked, Code: workflow.ReasonTaken, Count: 12},
		{Action: workflow.Rename, State: workflow.ChangeBlocked, Code: workflow.ReasonCouldNotCheck, Count: 3},
		{Action: workflow.Rename, State: workflow.ChangeUnchanged, Code: workflow.ReasonAlready, Count: 4},
		{State: workflow.ChangeBad, Code: workflow.ReasonUnreadable, Count: 1},
	}}}
	c.Gist = &Gist{}
	for i := range 15 {
		ch := workflow.Change{
			Batch: 42, Row: i + 2, Action: workflow.Rename, AccountID: fmt.Sprintf("712020:%04d", i),
			Name:   fmt.Sprintf("Person %d", i),
			Expect: workflow.Of(workflow.FieldEmail, fmt.Sprintf("p%d@old.example", i)),
			Set:    workflow.Of(workflow.FieldEmail, fmt.Sprintf("p%d@new.example", i)),
			State:  workflow.ChangeReady,
		}
		c.Gist.Add(&ch)
		if i < TableRows {
			c.First = append(c.First, ch)
		}
	}
	return c
}

func cards() map[string]Card {
	out := map[string]Card{}
	in := func(name string, change func(*Card)) {
		c := sealedBatch()
		change(&c)
		out[name] = c
	}
	in("planning", func(c *Card) {
		*c = Card{Batch: &workflow.Batch{
			Number: 42, State: workflow.Planning, Revision: 2,
			BatchRequest: workflow.BatchRequest{
				Requester: carol, Author: carol, Rows: 5000, Verb: workflow.Deactivate, Created: at(0),
			},
			BatchPlan: workflow.BatchPlan{Checked: 1200},
		}}
	})
	in("awaiting", func(*Card) {})
	in("awaiting_file", func(c *Card) { c.Plan = File{} })
	in("awaiting_no_files", func(c *Card) { c.Plan = File{Refused: "file_uploads_disabled"} })
	in("awaiting_second", func(c *Card) {
		c.Batch.Approvals = 2
		c.Batch.Author = alice
		c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(5)}}
	})
	in("awaiting_nobody", func(c *Card) {
		c.Batch.Approvals = 2
		c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(5)}}
		c.Nobody = TooFewApprovers(0, 2, false, nil, []GroupTrouble{{Group: "S0ITADMINS"}})
	})
	in("by_rule", func(c *Card) {
		c.Batch.Approvals, c.Batch.Why = 2, []string{"more than 200 changes, here 1,200", "accounts of the group <!channel>"}
		c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(5)}}
		c.Batch.Dropped = []string{bob.ID}
		c.Batch.Traits.NoGroups = []string{"break-glass"}
	})
	in("emergency", func(c *Card) { c.Batch.Emergency = true })
	in("emergency_done", func(c *Card) {
		approve(c, workflow.Done)
		c.Batch.Ended, c.Batch.Emergency = at(30), true
		c.Summary.Groups[0].State, c.Summary.Groups[1].State = workflow.ChangeDone, workflow.ChangeDone
	})
	in("approved", func(c *Card) { approve(c, workflow.Approved) })
	in("running", func(c *Card) { approve(c, workflow.Running) })
	in("cancelling", func(c *Card) {
		approve(c, workflow.Running)
		c.Batch.Ending = &workflow.Ending{By: carol, How: workflow.Cancelled, Reason: "cancelled", At: at(12)}
	})
	in("paused_by_bot", func(c *Card) {
		approve(c, workflow.Paused)
		c.Batch.Stop = workflow.Stop{Cause: workflow.StopCanary, Rows: []int{3}, At: at(11)}
	})
	in("done", func(c *Card) {
		approve(c, workflow.Done)
		c.Batch.Ended = at(30)
		c.Summary.Groups[0].State = workflow.ChangeDone
		c.Summary.Groups[1].State, c.Summary.Groups[1].Code = workflow.ChangeFailed, workflow.ReasonDrifted
		for i := range c.First {
			c.First[i].State, c.First[i].Reason = workflow.ChangeFailed, workflow.NewReason(workflow.ReasonDrifted, "address", "a", "b")
		}
		c.Failed = c.First
	})
	in("rejected", func(c *Card) {
		c.Batch.State, c.Batch.Ended = workflow.Rejected, at(9)
		c.Batch.Ending = &workflow.Ending{By: bob, How: workflow.Rejected, Reason: "not <!channel> today & never", At: at(9)}
	})
	in("expired", func(c *Card) { c.Batch.State, c.Batch.Ended = workflow.Expired, at(24*60) })
	in("withdrawn", func(c *Card) {
		c.Batch.State, c.Batch.Ended = workflow.Cancelled, at(9)
		c.Batch.Ending = &workflow.Ending{By: carol, How: workflow.Cancelled, Reason: "withdrawn", At: at(9)}
	})
	in("mixed", func(c *Card) {
		c.Batch.Number = 7
		c.First = []workflow.Change{
			{
				Row: 1, Action: workflow.Rename, Name: "A",
				Expect: workflow.Of(workflow.FieldEmail, "a@x.example"),
				Set:    workflow.Of(workflow.FieldEmail, "a@y.example"),
			},
			{
				Row: 2, Action: workflow.Deactivate, AccountID: "712020:b",
				Expect: workflow.Of(workflow.FieldEmail, "b@x.example"),
			},
			{Row: 3, Action: workflow.Activate, Name: "<!here> *C*", Expect: workflow.Of(workflow.FieldEmail, "")},
		}
		c.Summary.Groups = []workflow.Group{
			{Action: workflow.Rename, State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectSignedOut}, Count: 1},
			{Action: workflow.Deactivate, State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectLockedOut}, Count: 1},
			{Action: workflow.Activate, State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectBilled}, Count: 12},
		}
	})
	in("invite", func(c *Card) {
		*c = cardOf(
			workflow.Change{Row: 1, Action: workflow.Invite, Set: workflow.Of(workflow.FieldEmail, "ada@new.example").
				With(workflow.FieldGroups, "jira-users;design & brand").With(workflow.FieldProducts, "jira-software").
				With(workflow.FieldMessage, "Welcome! "+strings.Repeat("Please read the handbook first. ", 29))},
			workflow.Change{Row: 2, Action: workflow.Invite, Set: workflow.Of(workflow.FieldEmail, "bo@new.example").
				With(workflow.FieldGroups, "jira-users").With(workflow.FieldProducts, "jira-software").
				With(workflow.FieldMessage, "Welcome, Bo!")},
		)
	})
	in("provision", func(c *Card) {
		*c = cardOf(workflow.Change{Row: 1, Action: workflow.Provision, Set: workflow.Of(workflow.FieldEmail, "ada@new.example").
			With(workflow.FieldName, "Ada Lang")})
		c.Summary.Groups[0].Effects = []workflow.Effect{workflow.EffectInSCIM("hr"), workflow.EffectProvisioned}
	})
	in("expired_with_one", func(c *Card) {
		c.Batch.State, c.Batch.Ended, c.Batch.Approvals = workflow.Expired, at(24*60), 2
		c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(5)}}
	})
	in("one_not_done", func(c *Card) {
		*c = cardOf(workflow.Change{
			Row: 1, Action: workflow.Deactivate, Name: "Carlos Abadi", AccountID: "712020:c", Expect: workflow.Of(workflow.FieldEmail, "carlos@x.example"),
		})
		approve(c, workflow.Done)
		c.Batch.Ended, c.Summary.Groups[0].State, c.Summary.Groups[0].Code = at(11), workflow.ChangeFailed, workflow.ReasonDrifted
		c.First[0].State, c.First[0].Reason = workflow.ChangeFailed, workflow.NewReason(workflow.ReasonDrifted, "status", "active", "inactive")
		c.Failed = c.First
	})
	in("done_for_a_while", func(c *Card) {
		approve(c, workflow.Done)
		c.Batch.Ended, c.Batch.When = at(30), workflow.When{Until: at(600), Zone: "UTC"}
		for i := range c.Summary.Groups[:2] {
			c.Summary.Groups[i].State = workflow.ChangeDone
		}
		ret := &workflow.Batch{Number: 43, State: workflow.Approved}
		ret.Link, ret.Follows, ret.Rows, ret.Traits.Actions = workflow.LinkReturn, 42, 1200, []workflow.ActionName{workflow.Rename}
		c.Relations = []Relation{{Number: 43, Link: workflow.LinkReturn, Batch: ret, URL: "https://example.slack.com/archives/C0REQ/p1"}}
	})
	in("empty", func(c *Card) {
		c.Batch.State, c.Batch.Digest, c.First = workflow.Empty, "", nil
		c.Summary.Groups = c.Summary.Groups[2:]
	})
	return out
}

func approve(c *Card, s workflow.State) {
	c.Batch.State, c.Batch.Approved, c.Batch.Started = s, at(10), at(10)
	c.Batch.Decisions = []workflow.Decision{{Person: bob, Verdict: workflow.Approve, Digest: testDigest, At: at(10)}}
}

func TestCardGolden(t *testing.T) {
	for name, c := range cards() {
		t.Run(name, func(t *testing.T) { golden(t, "card_"+name, c.Draw()) })
	}
}

// golden compares a message with testdata/blocks, and checks it against Slack's limits.
func golden(t *testing.T, name string, m slackapi.Message) {
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
func withinLimits(t *testing.T, m slackapi.Message) {
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
	if strings.TrimSpace(m.Text) == "" || utf8.RuneCountInString(m.Fallback()) > slackapi.MaxFallback {
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

// The largest card there can be stays within Slack's limits, and nothing in it mentions anybody
// that we did not.
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
				Effects: []workflow.Effect{workflow.EffectSignedOut},
			})
		}
	}
	for i := range 2 * gistKinds {
		n := fmt.Sprint(i)
		c.Gist.Add(&workflow.Change{
			Action: workflow.Invite, State: workflow.ChangeReady, Asked: workflow.Row{Values: workflow.Of(workflow.ColumnSite, n+evil)},
			Set: workflow.Of(workflow.FieldMessage, n+strings.Repeat("&", 900)).With(workflow.FieldGroups, n+evil).With(workflow.FieldProducts, n+evil),
		})
	}
	for i := range c.First {
		c.First[i].Name, c.First[i].Action = evil, workflow.Rename
		c.First[i].Expect = workflow.Of(workflow.FieldEmail, evil)
		c.First[i].Set = workflow.Of(workflow.FieldEmail, evil)
	}
	m := c.Draw()
	withinLimits(t, m)
	if n := strings.Count(textsOf(t, m.Blocks), "Message to "); n != gistShown {
		t.Errorf("%d messages of %d are there", n, gistShown)
	}
	for _, b := range m.Blocks {
		if section, is := b.(*slack.SectionBlock); is && utf8.RuneCountInString(section.Text.Text) == maxSection {
			t.Errorf("a section is cut: %.80s", section.Text.Text)
		}
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
			Action: workflow.Rename, State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.Effect(fmt.Sprintf("effect_%d_é", i))}, Count: 9,
		})
	}
	text := c.approving()
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
		if got := slackapi.Clip(c.in, c.limit); got != c.want {
			t.Errorf("slackapi.Clip(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
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
		n, digest, ok := ParseValue(value)
		if ok && buttonValue(n, digest) != value {
			t.Errorf("%q is read as %d, %q and written as %q", value, n, digest, buttonValue(n, digest))
		}
	})
}

// A card never says that one approval is enough when it needs more now.
func TestAnEmergencyThatIsNoneAnyMore(t *testing.T) {
	t.Parallel()
	b := &workflow.Batch{Number: 7, State: workflow.AwaitingApproval}
	b.Emergency, b.Approvals = true, 3
	said, err := json.Marshal(Card{Batch: b}.Draw().Blocks)
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]bool{"*Emergency*": true, "is enough": false, "Needs 3 approvals": true} {
		if got := strings.Contains(string(said), words); got != want {
			t.Errorf("the card says %q: %v", words, got)
		}
	}
}

// Where the columns of a file win over the message, the card says so.
func TestCardSaysWhichWordsCount(t *testing.T) {
	const want = "The message says deactivate; the file's columns count"
	for verb, says := range map[workflow.ActionName]bool{"": false, workflow.Rename: false, workflow.Deactivate: true} {
		c := sealedBatch()
		c.Batch.Source.Kind, c.Batch.Verb = workflow.SourceFile, verb
		text, err := json.Marshal(c.Draw())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), want); got != says {
			t.Errorf("verb %q: said %t, want %t", verb, got, says)
		}
	}
}

// Rows that open batches hold are counted by their numbers, and without them where the plan was not
// read.
func TestHeldRowsOnACard(t *testing.T) {
	t.Parallel()
	c := sealedBatch()
	c.Summary.Groups = append(c.Summary.Groups, workflow.Group{
		Action: workflow.Rename, State: workflow.ChangeBlocked, Code: workflow.ReasonHeld, Count: 2,
	})
	for range 2 {
		c.Gist.Add(&workflow.Change{State: workflow.ChangeBlocked, Reason: workflow.NewReason(workflow.ReasonHeld, "4")})
	}
	if said := c.notRun(); !strings.HasPrefix(said, "18 rows will not run: 2 held by #4, 12 addresses taken") || strings.Contains(said, "open batch") {
		t.Errorf("the card says %q", said)
	}
	c.Gist = nil
	if said := c.notRun(); !strings.Contains(said, "2 in another open batch") {
		t.Errorf("without the plan it says %q", said)
	}
}
