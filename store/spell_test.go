package store

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// What is spelled by hand is what encoding/json spells.
func TestSpelledAsCanonical(t *testing.T) {
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	words := []string{"", "a", "b@x.example", "<&>", "\"quoted\\\"", "ü\n\u2028", "\x00\xff", "null", "–", "\x7f"}
	word := func() string { return words[dice.IntN(len(words))] }
	number := func() int { return dice.IntN(3) }
	list := func() (out []string) {
		for range dice.IntN(4) {
			out = append(out, word())
		}
		return out
	}
	values := func() (v workflow.Values) {
		for range dice.IntN(4) {
			v.Set(workflow.Field(word()), word())
		}
		return v
	}
	for range 2000 {
		r := workflow.Row{Line: number(), Action: workflow.ActionName(word()), Cells: list(), Problem: word()}
		for range dice.IntN(4) {
			r.Values.Set(workflow.Column(word()), word())
		}
		same(t, seed, Sealed(&r), string(appendAsked(nil, &r)))
		c := workflow.Change{
			Row: number(), Action: workflow.ActionName(word()), AccountID: word(), Name: word(), Expect: values(), Set: values(),
			State: workflow.ChangeState(word()), Reason: workflow.Reason{Code: workflow.ReasonCode(word()), Facts: list()},
			Attempts: number(), Back: number() == 0, Called: time.Unix(int64(number()), 1),
		}
		for range dice.IntN(3) {
			c.Effects = append(c.Effects, workflow.Effect(word()))
		}
		for range dice.IntN(3) {
			c.Steps = append(c.Steps, workflow.Step{
				Seq: number(), After: number(), Bundle: number(), Row: number(), Action: workflow.ActionName(word()), Place: workflow.Place(word()),
				Directory: word(), Site: word(), AccountID: word(), At: word(), Until: word(), Expect: values(), Set: values(),
			})
			c.Outcomes = append(c.Outcomes, workflow.StepOutcome{State: workflow.ChangeState(word()), Attempts: number(), Told: values()})
		}
		want := map[string]any{
			"row": c.Row, "action": c.Action, "account_id": c.AccountID, "name": c.Name, "effects": EffectsText(c.Effects),
		}
		if len(c.Expect) > 0 {
			want["expect"] = c.Expect
		}
		if len(c.Set) > 0 {
			want["set"] = c.Set
		}
		if len(c.Steps) > 0 {
			want["steps"] = c.Steps
		} else {
			want["outcome"] = OutcomeOf(&c)
		}
		same(t, seed, want, RowText(&c))
	}
}

func same(t *testing.T, seed uint64, v any, got string) {
	t.Helper()
	want, err := Canonical(v)
	if err != nil || got != want {
		t.Fatalf("seed %d: %s, want %s; %v", seed, got, want, err)
	}
}
