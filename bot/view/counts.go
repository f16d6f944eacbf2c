package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// counts returns how far a run has come and what became of its rows, in a line.
func (c Card) counts() string {
	if c.counting {
		return ""
	}
	type part struct {
		word   string
		always bool // while it runs
		states []workflow.ChangeState
	}
	parts := []part{
		{"done", true, []workflow.ChangeState{workflow.ChangeDone}},
		{"failed", true, []workflow.ChangeState{workflow.ChangeFailed}},
		{"being confirmed", false, []workflow.ChangeState{workflow.ChangeUnknown}},
		{"left", true, []workflow.ChangeState{workflow.ChangeReady, workflow.ChangeRunning}},
		{"skipped", false, []workflow.ChangeState{workflow.ChangeSkipped}},
	}
	var words []string
	for _, p := range parts {
		if n := c.Summary.State(p.states...); n > 0 || p.always && c.runs() || p.word == "done" {
			words = append(words, "*"+number(n)+"* "+p.word)
		}
	}
	text := strings.Join(words, " · ")
	if c.Batch.State == workflow.Running {
		text += " · live count in the thread"
	}
	return text
}

// notRun counts in a line the rows that will not run, by cause, and those that need not.
func (c Card) notRun() string {
	var out []string
	causes := c.Gist.held()
	for _, g := range grouped(c.Summary, workflow.ChangeBlocked, workflow.ChangeBad) {
		if g.Code == workflow.ReasonHeld && c.Gist.heldAll(g.Count) {
			continue // named by their batches
		}
		causes = append(causes, number(g.Count)+" "+quoted(g.Code.Causes(g.Count), causeText))
	}
	if more := len(causes) - causesShown; more > 0 {
		causes = append(causes[:causesShown], "other causes")
	}
	if n := c.Summary.State(workflow.ChangeBlocked, workflow.ChangeBad); n > 0 {
		verb := " will not run: "
		if !c.Batch.State.Open() {
			verb = " did not run: "
		}
		out = append(out, many(n, "row", "rows")+verb+strings.Join(causes, ", "))
	}
	if n := c.Summary.State(workflow.ChangeUnchanged); n > 0 {
		out = append(out, number(n)+" already done")
	}
	return strings.Join(out, " · ")
}

// warnings count the rows that may run and that people should look at first.
func (c Card) warnings() []string {
	var out []string
	if n := odd(c.Summary); n > 0 {
		out = append(out, ":warning: "+many(n, "new address is", "new addresses are")+" written oddly: look twice")
	}
	for _, code := range workflow.Warnings() {
		if n := withReasonCode(c.Summary, workflow.ChangeReady, code); n > 0 && code != workflow.ReasonOddAddress {
			out = append(out, ":warning: "+many(n, "row", "rows")+": "+code.Causes(n))
		}
	}
	return out
}

// pressed makes the name of a button in a remedy look like one.
func pressed(remedy string) string {
	return strings.NewReplacer("ress Retry failed", "ress *Retry failed*", "ress Details", "ress *Details*").Replace(remedy)
}

// failures name the first rows that failed, each with its cause and what to do.
func (c Card) failures() string {
	failed := c.Summary.State(workflow.ChangeFailed)
	if failed == 0 || len(c.Failed) == 0 || c.counting || c.Batch.State == workflow.Running {
		return ""
	}
	var out []string // how many they are stands above
	for i := range c.Failed[:min(len(c.Failed), FailedRows)] {
		ch := &c.Failed[i]
		who := cmp.Or(ch.Name, ch.OldEmail(), ch.NewEmail(), ch.AccountID)
		out = append(out, fmt.Sprintf("• %s (line %d): %s. %s", quoted(who, tableCell), ch.Row,
			quoted(ch.Reason.Cause(), causeText), pressed(sentence(quoted(ch.Reason.Code.Remedy(), causeText)))))
	}
	if more := failed - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %s more; press *Details*", number(more)))
	}
	return strings.Join(out, "\n")
}

// odd counts the rows that may run and whose new addresses are easily taken for others.
func odd(s workflow.Summary) int {
	return withReasonCode(s, workflow.ChangeReady, workflow.ReasonOddAddress)
}

// withReasonCode counts the changes in that state for that reason.
func withReasonCode(s workflow.Summary, state workflow.ChangeState, code workflow.ReasonCode) int {
	n := 0
	for _, g := range s.Groups {
		if g.State == state && g.Code == code {
			n += g.Count
		}
	}
	return n
}

// runs reports whether a run has begun and not ended.
func (c Card) runs() bool { return !c.Batch.Started.IsZero() && c.Batch.State.Open() }

// causes groups changes in the given states by cause, the largest group first.
func causes(s workflow.Summary, states ...workflow.ChangeState) []string {
	groups := grouped(s, states...)
	var out []string
	for i, g := range groups {
		if i == causesShown {
			rest := 0
			for _, g := range groups[i:] {
				rest += g.Count
			}
			return append(out, fmt.Sprintf("%s for other reasons", number(rest)))
		}
		out = append(out, number(g.Count)+" "+quoted(g.Code.Causes(g.Count), causeText))
	}
	return out
}

// grouped sums the groups of a summary by state and code, the largest first.
func grouped(s workflow.Summary, states ...workflow.ChangeState) []workflow.Group {
	var out []workflow.Group
	for _, g := range s.Groups {
		if !slices.Contains(states, g.State) {
			continue
		}
		i := slices.IndexFunc(out, func(o workflow.Group) bool { return o.State == g.State && o.Code == g.Code })
		if i < 0 {
			out = append(out, workflow.Group{State: g.State, Code: g.Code, Count: g.Count})
			continue
		}
		out[i].Count += g.Count
	}
	slices.SortFunc(out, func(a, b workflow.Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code), cmp.Compare(a.State, b.State))
	})
	return out
}

// effects returns the side effects that are still to come, in words: "214 people will be signed
// out".
func (c Card) effects() string {
	var out []string
	all := map[workflow.Effect]int{}
	for _, g := range c.Summary.Groups {
		switch g.State {
		case workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown:
			for _, e := range g.Effects {
				kind, n := e.Kind()
				all[kind] += n * g.Count
			}
		}
	}
	if twice := all[workflow.EffectSignedOutTwice]; twice > 0 {
		n := all[workflow.EffectSignedOut] + twice
		out = append(out, fmt.Sprintf("%s, %s of them twice (swap through a parking address)",
			effectWords(workflow.EffectSignedOut, n), number(twice)))
		delete(all, workflow.EffectSignedOut)
		delete(all, workflow.EffectSignedOutTwice)
	}
	for _, known := range effectViews() {
		if n := all[known.effect]; n > 0 {
			out = append(out, effectWords(known.effect, n))
			delete(all, known.effect)
		}
	}
	for _, e := range slices.Sorted(maps.Keys(all)) { // those that name what they are about, or have no words here
		out = append(out, effectWords(e, all[e]))
	}
	return strings.Join(out, ". ")
}

// planned returns how many changes were to run.
func (c Card) planned() int {
	n := 0
	for _, count := range c.Summary.Actions() {
		n += count
	}
	return n
}
