package view

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// hostile are texts that people and files could bring to pass for something else.
var hostile = []string{
	"<!channel> <!here> <!everyone>", "<@U0ALICE> approved it", "<https://evil.example|Approve>", "&lt;!channel&gt;",
	"*Approved by* legal :white_check_mark:", "_x_ ~y~ `code` ```block```", "> quoted\n• *Digest* `0123`",
	"\u202eexe.evil", "ad\u200bmin", "\n\n\n*Needs 0 approvals*", strings.Repeat("é\u0301\u0302\u0303\u0304\u0305\u0306", 500),
	"<mailto:a@b.example|c@d.example>", "<!subteam^S0ADMINS>", "<!date^1^{date}|x>", "\x1b[31m\x00",
}

// Whatever stands in names, cells, reasons and file names: what is drawn from them mentions nobody,
// links nowhere, has no letters that cannot be seen and draws nothing as bold, code or emoji that
// we did not write.
func TestHostileTextOnACard(t *testing.T) {
	for i, evil := range hostile {
		c := sealedBatch()
		c.Batch.Reason, c.Batch.Source.FileName, c.Batch.Ignored, c.Nobody = evil, evil, []string{evil}, evil
		c.Batch.Requester.Name, c.Batch.Author.Name = evil, evil
		for j := range c.First {
			c.First[j].Name = evil
			c.First[j].Expect = workflow.Of(workflow.FieldEmail, evil)
			c.First[j].Set = workflow.Of(workflow.FieldEmail, evil)
		}
		c.Gist.Add(&workflow.Change{
			Action: workflow.GroupAdd, State: workflow.ChangeReady,
			Set: workflow.Of(workflow.FieldMessage, evil).With(workflow.FieldProducts, evil).With(workflow.FieldGroups, evil),
		})
		somebody := workflow.Person{ID: bob.ID, Name: evil}
		told := Thread{Batch: c.Batch, Summary: c.Summary}
		alone := sealedBatch()
		alone.First, alone.Batch.Requester.Name = c.First[:1], evil
		alone.Summary.Groups = []workflow.Group{{Action: workflow.Rename, State: workflow.ChangeReady, Count: 1}}
		broken := sealedBatch()
		approve(&broken, workflow.Done)
		broken.Failed, broken.Batch.Ended, broken.Summary.Groups[1].State = c.First, at(9), workflow.ChangeFailed
		rejected := sealedBatch()
		rejected.Batch.State = workflow.Rejected
		rejected.Batch.Ending = &workflow.Ending{By: somebody, How: workflow.Rejected, Reason: evil, At: at(3)}
		stopped, ran := sealedBatch(), sealedBatch()
		approve(&stopped, workflow.Paused)
		stopped.Batch.Stop = workflow.Stop{Cause: workflow.StopCause(evil), Note: evil, Rows: []int{3}, At: at(3)}
		paused := Thread{Batch: stopped.Batch, Summary: stopped.Summary}
		approve(&ran, workflow.Done)
		ran.Batch.Ending = &workflow.Ending{By: bob, How: workflow.Cancelled, Reason: evil, At: at(3)}
		failure := workflow.Group{State: workflow.ChangeFailed, Code: workflow.ReasonCode(evil), Count: 1}
		ran.Summary.Groups = append(ran.Summary.Groups, failure)
		ended := Thread{Batch: ran.Batch, Summary: ran.Summary, Command: "/countersign"}
		retried := report.Run{State: report.RunWaiting, Attempts: 1, NextTry: at(3), Reason: evil}
		answer := Found(evil, []workflow.Found{{Account: workflow.Account{ID: evil, Name: evil, Email: evil, Managed: true}}})
		moved, reading := sealedBatch(), sealedBatch()
		moved.Batch.Source.Move = &workflow.DomainMove{Old: evil, New: evil, Group: evil, Names: true, Except: make([]workflow.Excepted, 2)}
		reading.Batch.State, reading.Batch.Rows, reading.Batch.Source.Move = workflow.Planning, 0, moved.Batch.Source.Move
		reading.Batch.Digest, reading.Summary = "", workflow.Summary{}
		found := workflow.Account{ID: evil, Name: evil, Email: evil, Managed: true, Status: workflow.AccountStatus(evil)}
		detailed := Found(evil, []workflow.Found{{
			Account: found, Privileges: map[workflow.ActionName]workflow.Privilege{workflow.Rename: {Key: evil}},
			Detail: &workflow.Detail{Status: evil, Groups: []string{evil, evil}, Products: []workflow.ProductUse{{Key: evil, LastActive: evil}}},
		}})
		past := History(evil, []workflow.AccountHistory{{ID: evil, Name: evil, Email: evil, Nights: 1, Since: at(0), Past: []workflow.Happening{
			{Kind: workflow.HappenedSeen, At: at(1), Account: found},
			{Kind: workflow.HappenedBack, At: at(2), Since: at(1), Account: found},
			{Kind: workflow.HappenedChanged, At: at(3), Field: workflow.FieldName, From: evil, To: evil},
			{Kind: workflow.HappenedStep, At: at(3), Action: workflow.GroupAdd, To: evil, Batch: 1, By: bob},
			{Kind: workflow.HappenedGroup, At: at(3), To: evil, Who: workflow.By{Kind: workflow.ByPerson, Name: evil}},
			{Kind: workflow.HappenedGone, At: at(3), Since: at(2), Who: workflow.By{Kind: workflow.ByKey, Name: evil}},
		}}})
		groups := Groups(evil, []workflow.FoundGroup{{ID: evil, Name: evil, Closed: evil, Gives: []string{evil}}}, true)
		refusal, _ := Words(&sheet.FileError{Problem: evil, Remedy: "send it again"}, "/countersign")
		var unasked []workflow.Change
		for range 9 {
			unasked = append(unasked, workflow.Change{Row: 1, Name: evil, State: workflow.ChangeBad, Reason: workflow.NewReason(workflow.ReasonUnreadable, evil)})
		}
		givenUp := Thread{Batch: &workflow.Batch{Number: 42, State: workflow.Cancelled}}
		givenUp.Batch.Ending = &workflow.Ending{How: workflow.Cancelled, Reason: evil}
		unknown := &workflow.NeedsActionError{Unknown: []workflow.UnknownColumn{{Name: evil, Nearest: "email"}}}
		for name, m := range map[string]slackapi.Message{
			"card": c.Draw(), "rejected": rejected.Draw(), "answer": answer, "refusal": Said(refusal), "usage": Usage("/countersign", evil, "help", ""),
			"alone": alone.Draw(), "failed": broken.Draw(), "waiting": told.Waiting(), "next": told.Next([]string{bob.ID}),
			"told": Thread{Batch: rejected.Batch, Summary: c.Summary}.Ended(), "resumed": told.Resumed(workflow.Release{By: somebody, At: at(3)}),
			"menu":    Menu(slackapi.File{ID: "F1", Name: evil}, "U0HANA", "1.2", "", unknown),
			"domains": Domains([]workflow.DomainClaim{{Name: evil, Status: evil}}), "paused": paused.Paused(),
			"moved": moved.Draw(), "reading": reading.Draw(), "detailed": detailed, "past": past, "groups": groups,
			"late": Said(stateWords(&workflow.StateError{Number: 42, Batch: rejected.Batch, State: workflow.Rejected})),
			"end":  ended.End(), "empty": ended.Empty(), "not asked": ended.NotAsked(unasked), "given up": givenUp.NotAsked(nil), "offer": OfferForm(Usage("/countersign", evil, "help", ""), evil), "one": One(Summarised{Batch: rejected.Batch, Summary: c.Summary}),
			"report": ReportList([]report.Status{{Name: evil, Kind: report.ManagedAccounts, Live: &retried}}),
		} {
			t.Run(fmt.Sprintf("%d %s", i, name), func(t *testing.T) {
				withinLimits(t, m)
				harmless(t, m)
			})
		}
	}
}

// ours are the links and mentions that we write: people who have a part in the batch, and dates.
var ours = regexp.MustCompile(`<@U0(ALICE|BOB|CAROL)>|<!subteam\^S0ITADMINS>|<!date\^\d{9,}\^\{date_short_pretty\} \{time\}\|[0-9: UTC-]+>`)

// ownBold are the words that we draw as bold, and what a text begins with: the name of an account.
var ownBold = regexp.MustCompile(`^\*[^*\n]*\*|\*(Reason:|Needs \d+ approvals?|Retry failed|Ask again|Details|[\d,]+ failed|Rejected|Cancelled|Done|not verified|All of|The first [\d,]+ groups|[\d,]+( accounts?)?)\*`)

func harmless(t *testing.T, m slackapi.Message) {
	t.Helper()
	raw, err := json.Marshal(m.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	var blocks any
	if err := json.Unmarshal(raw, &blocks); err != nil {
		t.Fatal(err)
	}
	check := func(kind, text string) {
		for _, r := range "\u202e\u200b\x00\x1b" {
			if strings.ContainsRune(text, r) {
				t.Errorf("%s has %U: %q", kind, r, text)
			}
		}
		if kind != slack.MarkdownType {
			return
		}
		for _, own := range []*regexp.Regexp{regexp.MustCompile("`[^`\n]*`"), ours, ownBold} { // within code nothing has a meaning
			text = own.ReplaceAllString(text, "")
		}
		if strings.ContainsAny(text, "<>`") || regexp.MustCompile(`\*[^*\s][^*\n]*\*|:white_check_mark:|&(?:[^alg]|$)`).MatchString(text) {
			t.Errorf("got through: %q", text)
		}
	}
	eachText(blocks, check)
	check(slack.MarkdownType, m.Text) // what stands in notifications is read as mrkdwn, too
}

// eachText calls fn with every text object of blocks.
func eachText(v any, fn func(kind, text string)) {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := v["text"].(string); ok {
			kind, _ := v["type"].(string)
			fn(kind, text)
		}
		for _, x := range v {
			eachText(x, fn)
		}
	case []any:
		for _, x := range v {
			eachText(x, fn)
		}
	}
}

// A row that may run and whose address is easily taken for another is marked on the card.
func TestOddAddressOnACard(t *testing.T) {
	c := sealedBatch()
	c.First[3].Reason = workflow.NewReason(workflow.ReasonOddAddress, "Cyrillic letters among others (U+0430)")
	c.Summary.Groups = append(c.Summary.Groups, workflow.Group{
		Action: workflow.Rename, State: workflow.ChangeReady, Code: workflow.ReasonOddAddress, Effects: []workflow.Effect{workflow.EffectSignedOut}, Count: 1,
	})
	raw, err := json.Marshal(c.Draw().Blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 new address is written oddly", "⚠ p3@new.example"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the card does not say %q", want)
		}
	}
}

// FuzzQuoted: text from people is one line of harmless mrkdwn, whatever it is.
func FuzzQuoted(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := quoted(text, 100)
		plain := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(got)
		if strings.ContainsAny(plain, "<>&\n\r\u2028") || !utf8.ValidString(got) {
			t.Errorf("quoted(%q) = %q", text, got)
		}
		if strings.Count(got, "`") == 0 && formatting.MatchString(got) {
			t.Errorf("quoted(%q) = %q would be drawn in another way", text, got)
		}
		if n := strings.Count(got, "`"); n != 0 && (n != 2 || got[0] != '`' || got[len(got)-1] != '`') {
			t.Errorf("quoted(%q) = %q leaves its code", text, got)
		}
	})
}

// FuzzParseForm: what comes back through a form is ours or refused.
func FuzzParseForm(f *testing.F) {
	f.Add(FormData{Value: "42:" + testDigest, Channel: "C1"}.String())
	f.Add(`{"value":null}`)
	f.Fuzz(func(t *testing.T, raw string) {
		form, ok := ParseForm(raw)
		if !ok {
			return
		}
		if again, ok := ParseForm(form.String()); !ok || again != form {
			t.Errorf("%q is read as %+v and then as %+v", raw, form, again)
		}
	})
}
