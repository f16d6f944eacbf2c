package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// One human with several accounts in Slack approves nothing that they asked for, and counts once:
// whether they are told by their addresses, by one account that the settings name for both, or by
// one that is named for one and has the address of the other.
func TestOneHumanUnderSeveralNames(t *testing.T) {
	t.Parallel()
	directory := map[string]workflow.Account{
		"acc-x": workflowtest.Managed("acc-x", "Zoë@corp.example"),
		"acc-y": workflowtest.Managed("acc-y", "alice@corp.example"),
	}
	for _, tt := range []struct {
		name     string
		email    string // bob's in Slack
		accounts map[string]string
		hana     string // her address, hana@corp.example when ""
		want     error  // for bob, who approves what hana asked for
		again    error  // for bob, who approves after alice
	}{
		{name: "two people"},
		{name: "one address", email: "HANA@corp.example", want: workflow.ErrSameHuman},
		{name: "one address in two spellings", email: "zoe\u0308@xn--bcher-kva.example", hana: "Zo\u00eb@bücher.example", want: workflow.ErrSameHuman},
		{name: "one account", accounts: map[string]string{"U0HANA": "acc-x", "U0BOB": "acc-x"}, want: workflow.ErrSameHuman},
		{name: "one account in two spellings", accounts: map[string]string{"U0HANA": "acc-x", "U0BOB": "ACC-X"}, want: workflow.ErrSameHuman},
		{
			name: "her account has his address", accounts: map[string]string{"U0HANA": "acc-x"}, email: "zoe\u0308@CORP.example",
			want: workflow.ErrSameHuman,
		},
		{
			name: "her account in other capitals has his address", accounts: map[string]string{"U0HANA": "ACC-X"}, email: "zoë@corp.example",
			want: workflow.ErrSameHuman,
		},
		{name: "his account has her address", accounts: map[string]string{"U0BOB": "acc-x"}, hana: "zoë@corp.example", want: workflow.ErrSameHuman},
		{name: "two accounts", accounts: map[string]string{"U0HANA": "acc-x", "U0BOB": "acc-y"}, again: workflow.ErrAlready},
		{name: "an account that is not there", accounts: map[string]string{"U0HANA": "acc-gone", "U0BOB": "acc-y"}, again: workflow.ErrAlready},
		{name: "one address with who approved", email: "alice@corp.example", again: workflow.ErrAlready},
		{name: "one account with who approved", accounts: map[string]string{"U0ALICE": "acc-z", "U0BOB": "acc-z"}, again: workflow.ErrAlready},
	} {
		for _, later := range []bool{false, true} { // the settings say so only since the plan was made
			name := tt.name
			if later {
				name += ", said later"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o, file := people(1)
					for id, a := range directory {
						o.Set(id, func(to *workflow.Account) { *to = a })
					}
					d, s := office(t, o, func(c *engine.Config) {
						p := policyOf(c)
						if p.Approvals = 2; !later {
							p.Accounts = tt.accounts
						}
					})
					asks, approves := hana, bob
					if tt.hana != "" {
						asks.Email = tt.hana
					}
					if tt.email != "" {
						approves.Email = tt.email
					}
					s.is(asks)
					s.is(approves)
					b, err := d.engine.Submit(t.Context(), asks, workflow.Request{
						Requester: asks.Person, Source: workflow.Source{Kind: workflow.SourceFile}, Original: []byte(file), Sheet: sheetOf(t, file),
					})
					if err != nil {
						t.Fatal(err)
					}
					b = d.reach(b.Number, workflow.AwaitingApproval)
					if later {
						d.end()
						policyOf(&d.config).Accounts = tt.accounts
						d.start()
					}
					if tt.want != nil {
						d.decide(b, approves, tt.want)
						if _, err := d.engine.Decide(t.Context(), b.Number, approves, workflow.Reject, b.Digest, "no"); !errors.Is(err, tt.want) {
							t.Errorf("rejects: %v, want %v", err, tt.want)
						}
						return
					}
					d.decide(b, alice, nil)
					b = d.decide(b, approves, tt.again)
					if approved := b.State == workflow.Approved || b.State == workflow.Running || b.State == workflow.Done; approved != (tt.again == nil) {
						t.Errorf("the batch is %s", b.State)
					}
				})
			})
		}
	}
}

// The settings name the same account for two who approved: at the last click one of them drops out.
func TestTwoApproversWhoAreOneByNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, _ := office(t, o, func(c *engine.Config) { policyOf(c).Approvals = 3 })
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		d.decide(b, alice, nil)
		d.decide(b, bob, nil)
		d.end()
		policyOf(&d.config).Accounts = map[string]string{"U0ALICE": "acc-z", "U0BOB": "acc-z"}
		d.start()
		if b = d.decide(b, carl, nil); b.State != workflow.AwaitingApproval || b.Missing() != 1 {
			t.Errorf("%s with %d missing", b.State, b.Missing())
		}
	})
}

// A decision does not wait for long for an Atlassian that takes no calls just then: who pressed is told to press again.
func TestADecisionDoesNotWaitForAtlassian(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, _ := office(t, o, nil)
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		d.end()
		policyOf(&d.config).Accounts = map[string]string{"U0BOB": "acc-of-bob"} // of which the check knew nothing
		d.start()
		o.Latency = time.Minute
		began := time.Now()
		d.decide(b, bob, workflow.ErrOthersUnknown)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("the answer took %v", took)
		}
		o.Latency = 0
		if b = d.decide(b, bob, nil); b.State == workflow.AwaitingApproval {
			t.Errorf("the second click: %s", b.State)
		}
	})
}

// Where the address of requester or author cannot be read, nobody can be told apart from them: two
// approvals, and the batch says why; whatever the rules say, and in an emergency, too.
func TestWhoAskedCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		requester string
		author    string
		now       string // the requester's address at the click
		rules     []policy.Rule
		emergency bool
		want      int // approvals, as planned
		click     int // approvals, after the first click
	}{
		{name: "both readable", requester: "hana@corp.example", author: "carl@corp.example", now: "hana@corp.example", want: 1, click: 1},
		{name: "requester", author: "carl@corp.example", now: "", want: 2, click: 2},
		{name: "a space", requester: " \u200b", author: "carl@corp.example", now: "", want: 2, click: 2},
		{name: "no address", requester: "hana", author: "carl@corp.example", now: "hana", want: 2, click: 2},
		{name: "readable later", author: "carl@corp.example", now: "hana@corp.example", want: 2, click: 2},
		{name: "author", requester: "hana@corp.example", now: "hana@corp.example", want: 2, click: 2},
		{name: "hidden since", requester: "hana@corp.example", author: "carl@corp.example", want: 1, click: 2},
		{name: "a rule asks for more", author: "carl@corp.example", rules: []policy.Rule{{Approvals: 3}}, want: 3, click: 3},
		{name: "an emergency", author: "carl@corp.example", emergency: true, want: 2, click: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, file := people(1)
				d, s := office(t, o, func(c *engine.Config) {
					p := policyOf(c)
					p.Emergency, p.Rules = "S0ONCALL", tt.rules
				})
				s.set(func(s *staff) { s.groups = map[string][]string{"S0ONCALL": {}} })
				if tt.emergency {
					s.set(func(s *staff) { s.groups = map[string][]string{"S0ONCALL": {"U0HANA", "U0CARL"}} })
				}
				asks, author := hana, carl
				asks.Email, author.Email = tt.requester, tt.author
				s.is(asks)
				s.is(author)
				b, err := d.engine.Submit(t.Context(), asks, workflow.Request{
					Requester: asks.Person, Author: author.Person, Reason: "tonight", OwnReason: true,
					Source: workflow.Source{Kind: workflow.SourceFile}, Original: []byte(file), Sheet: sheetOf(t, file),
				})
				if err != nil {
					t.Fatal(err)
				}
				b = d.reach(b.Number, workflow.AwaitingApproval)
				said := strings.Contains(strings.Join(b.Why, "; "), "cannot be read in Slack")
				if b.Approvals != tt.want || said != (tt.want == 2) || b.Emergency != tt.emergency {
					t.Errorf("planned: %d approvals because of %q, emergency %v", b.Approvals, b.Why, b.Emergency)
				}
				asks.Email = tt.now
				s.is(asks)
				b = d.decide(b, bob, nil)
				said = strings.Contains(strings.Join(b.Why, "; "), "cannot be read in Slack")
				if b.Approvals != tt.click || said != (tt.click == 2) {
					t.Errorf("at the click: %d approvals because of %q", b.Approvals, b.Why)
				}
			})
		})
	}
}

// An emergency takes requester and author in the group, and a reason that the requester wrote as
// one.
func TestWhatMakesAnEmergency(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		group   []string
		author  workflow.Actor
		reason  string
		written bool
		want    bool
	}{
		{name: "both are in the group", group: []string{"U0HANA", "U0CARL"}, author: carl, reason: "tonight", written: true, want: true},
		{name: "one person", group: []string{"U0HANA"}, author: hana, reason: "tonight", written: true, want: true},
		{name: "the requester alone", group: []string{"U0HANA"}, author: carl, reason: "tonight", written: true},
		{name: "the author alone", group: []string{"U0CARL"}, author: carl, reason: "tonight", written: true},
		{name: "words of a message", group: []string{"U0HANA"}, author: hana, reason: "tonight"},
		{name: "an empty reason", group: []string{"U0HANA"}, author: hana, reason: " ", written: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, file := people(1)
				d, s := office(t, o, func(c *engine.Config) { p := policyOf(c); p.Approvals, p.Emergency = 2, "S0ONCALL" })
				s.set(func(s *staff) { s.groups = map[string][]string{"S0ONCALL": tt.group} })
				b, err := d.engine.Submit(context.Background(), hana, workflow.Request{
					Requester: hana.Person, Author: tt.author.Person, Reason: tt.reason, OwnReason: tt.written,
					Source: workflow.Source{Kind: workflow.SourceFile}, Original: []byte(file), Sheet: sheetOf(t, file),
				})
				if err != nil {
					t.Fatal(err)
				}
				if b = d.reach(b.Number, workflow.AwaitingApproval); b.Emergency != tt.want || b.Missing() == 1 != tt.want {
					t.Errorf("emergency %v, %d approvals", b.Emergency, b.Approvals)
				}
			})
		})
	}
}

// A button does nothing to a batch of the same number that is another one: it carries the digest,
// or the token of the batch from before there was a plan.
func TestButtonsOfAnotherTime(t *testing.T) {
	t.Parallel()
	b := &workflow.Batch{
		Number: 7, State: workflow.Done, BatchRequest: workflow.BatchRequest{Token: "aa11", Requester: hana.Person, Author: hana.Person},
		BatchPlan: workflow.BatchPlan{Digest: "bb22"},
	}
	for _, act := range workflow.Acts() {
		if act.Name == workflow.ActAsk {
			continue
		}
		for _, state := range workflow.States() {
			b.State = state
			for saw, other := range map[string]bool{"aa11": false, "bb22": false, "cc33": true, "aa": true, "": false} {
				for _, who := range []workflow.Actor{hana, alice} {
					who.Saw = saw
					if err := workflow.May(act.Name, b, who); errors.Is(err, workflow.ErrStaleDigest) != other {
						t.Errorf("%s of a batch that is %s with %q: %v", act.Name, state, saw, err)
					}
				}
			}
		}
	}
	b.Digest = ""
	if b.IsFor("") || !b.IsFor("aa11") || b.Mark() != "aa11" {
		t.Error("a batch without a plan is known by its token")
	}
}
