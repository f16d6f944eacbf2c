package simulation

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// settle plays the people who want everything to end, when nothing fails any more.
func (s *scenario) settle() {
	waiting, quiet := map[string]int{}, 0
	untold := 15 // rounds after which it is too late to say that something is paused
	if s.heldBack {
		untold += 45
	}
	for range 240 {
		if s.over {
			return
		}
		open, err := s.db().List(context.Background(), 0, workflow.Planning, workflow.AwaitingApproval, workflow.Approved,
			workflow.Running, workflow.Paused)
		if err != nil {
			s.violated("list what is open: %v", err)
			return
		}
		if len(open) > 0 {
			quiet = 0
		} else if quiet++; quiet > 4 && len(s.unanswered()) == 0 { // what was missed is looked for first
			return
		}
		cards := s.cards()
		byKey, _, _ := s.posts()
		for _, b := range open {
			if b.State == workflow.Paused && !b.Cancelling() {
				key := fmt.Sprintf("batch/%d/pause/%d", b.Number, b.Stop.At.UnixMilli())
				if len(byKey[key]) == 0 {
					if waiting[key]++; waiting[key] == untold {
						s.violated("nobody was told that #%d is paused (%s)", b.Number, b.Stop.Cause)
					}
					continue
				}
			}
			key := fmt.Sprint("moved ", b.Number)
			waiting[key]++
			card := cards[b.Number]
			if b.Returns() {
				card = cards[b.Follows]
			}
			if err := s.moveOn(b, card, waiting[key]); err != nil {
				s.tell("#%d (%s): %v", b.Number, b.State, err)
			}
		}
		s.pass(20 * time.Second)
	}
	open, _ := s.db().List(context.Background(), 0)
	for _, b := range open {
		if b.State.Open() {
			s.violated("#%d does not end: it is %s (%+v)", b.Number, b.State, b.Stop)
			s.t.Logf("seed %d: what works on it:\n%s", s.seed, goroutines("workflow/run", "pace.(*Gate).Wait", "workflow/engine"))
		}
	}
}

// moveOn is whoever may pressing what a batch waits for.
func (s *scenario) moveOn(b *workflow.Batch, card workspace.Message, tries int) error {
	want := map[workflow.State]string{workflow.AwaitingApproval: "approve", workflow.Paused: "resume"}[b.State]
	if want == "resume" && tries > 10 { // the settings of today may not let it go on
		want = "cancel"
	}
	if b.Returns() && s.wentBack && tries > 60 { // it waits for people
		want = "end_now"
	}
	if want == "" || b.Cancelling() || want == "approve" && s.rng.IntN(4) == 0 {
		return nil
	}
	all := buttonsOf(card)
	i := slices.IndexFunc(all, func(b simButton) bool { return b.action == want })
	if i < 0 {
		return errNoCard
	}
	var may []string
	for _, who := range []string{simAlex, simBeth, simCarl, simDean} {
		if want == "cancel" || !sameHuman(who, b.Requester.ID) && !sameHuman(who, b.Author.ID) {
			may = append(may, who)
		}
	}
	s.rng.Shuffle(len(may), func(i, j int) { may[i], may[j] = may[j], may[i] })
	n := 1
	if want == "approve" {
		n = b.Approvals
	}
	s.press(card, all[i], may[:min(n, len(may))]...)
	return nil
}

// await gives what was promised the time that it may take.
func (s *scenario) await() {
	var left []string
	for range 45 {
		if left = s.untold(); len(left) == 0 {
			return
		}
		s.pass(20 * time.Second)
	}
	for _, words := range left {
		s.violated("%s", words)
	}
}

// goroutines are the stacks of those that have one of the words in theirs.
func goroutines(words ...string) string {
	all := make([]byte, 8<<20)
	all = all[:runtime.Stack(all, true)]
	var out []string
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(stack, w) }) {
			out = append(out, stack)
		}
	}
	return strings.Join(out, "\n\n")
}
