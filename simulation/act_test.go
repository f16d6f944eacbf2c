package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// simButton is a button of a card as people see it.
type simButton struct {
	label, action, value string
}

// buttonsOf are the buttons of a message, in order.
func buttonsOf(m workspace.Message) []simButton {
	var blocks []struct {
		Type     string `json:"type"`
		Elements []struct {
			Type   string          `json:"type"`
			Action string          `json:"action_id"`
			Value  string          `json:"value"`
			Text   json.RawMessage `json:"text"`
		} `json:"elements"`
	}
	if json.Unmarshal(m.Blocks, &blocks) != nil {
		return nil
	}
	var out []simButton
	for _, b := range blocks {
		for _, e := range b.Elements {
			var label struct {
				Text string `json:"text"`
			}
			if b.Type == "actions" && e.Type == "button" && json.Unmarshal(e.Text, &label) == nil {
				out = append(out, simButton{label.Text, e.Action, e.Value})
			}
		}
	}
	return out
}

// cards are the cards that stand in the requests channel, by batch.
func (s *scenario) cards() map[int64]workspace.Message {
	out := map[int64]workspace.Message{}
	for _, m := range s.slack.Messages(simRequests, "") {
		number, name := keyParts(keyOf(m.Metadata))
		if name == "card" {
			out[number] = m
		}
	}
	return out
}

// keyParts takes "batch/12/end/1" apart.
func keyParts(key string) (number int64, name string) {
	rest, ok := strings.CutPrefix(key, "batch/")
	n, name, cut := strings.Cut(rest, "/")
	number, err := strconv.ParseInt(n, 10, 64)
	if !ok || !cut || err != nil {
		return 0, ""
	}
	return number, name
}

// note writes down that somebody clicks a button, before they do.
func (s *scenario) note(who string, b simButton) {
	n, digest, _ := strings.Cut(b.value, ":")
	number, _ := strconv.ParseInt(n, 10, 64)
	s.tell("%s clicks %s of #%d", who, b.label, number)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clicks = append(s.clicks, simClick{who, b.action, number, digest, time.Now()})
}

// press is people clicking a button of a card as it is now, all at the same moment.
func (s *scenario) press(m workspace.Message, b simButton, people ...string) {
	var clicking sync.WaitGroup
	for _, who := range people {
		s.note(who, b)
		clicking.Go(func() {
			// That it came to nothing is seen by whoever clicks, as a triangle beside the button.
			_ = s.slack.Click(context.Background(), who, simRequests, m.TS, b.action, "")
		})
	}
	clicking.Wait()
	if b.action != "reject" {
		return
	}
	s.pass(s.while(6 * time.Second))
	for _, who := range people {
		for _, v := range s.slack.Views(who) {
			s.note(who, simButton{"the form of Reject", "reject", b.value})
			_ = s.slack.SubmitView(context.Background(), who, v.ID, map[string]string{"reason": "not these"})
		}
	}
}

// command is somebody giving a slash command.
func (s *scenario) command(who, text string) {
	s.tell("%s: /countersign %s", who, text)
	s.mu.Lock()
	s.commands = append(s.commands, simCommand{who, text, time.Now()})
	s.mu.Unlock()
	_ = s.slack.Command(context.Background(), who, simRequests, text)
}

// while is a random time.
func (s *scenario) while(d time.Duration) time.Duration {
	return time.Duration(s.rng.IntN(int(d/time.Millisecond))) * time.Millisecond
}

func (s *scenario) oneOf(people ...string) string { return people[s.rng.IntN(len(people))] }

// act is one thing that somebody does, or that happens by itself.
func (s *scenario) act() {
	cards := s.cards()
	switch n := s.rng.IntN(100); {
	case n < 12 && len(cards) < 5, len(cards) == 0 && n < 60:
		s.askByFile()
	case n < 18 && len(cards) < 6:
		s.askByCommand()
	case n < 53:
		s.onCard(cards)
	case n < 60:
		s.inBetween(cards)
	case n < 62:
		s.changeSettings()
	case n < 64:
		s.choose()
	case n < 67:
		s.onOldCard()
	case n < 71:
		s.byWords(cards)
	case n < 77:
		s.changeRoles()
	case n < 80:
		s.behind()
	case n < 82:
		s.outage(time.Duration(5+s.rng.IntN(80)) * time.Second)
	case n < 84:
		s.tell("the sockets are cut")
		s.slack.CutSockets()
	case n < 86:
		reason := s.oneOf("warning", "refresh_requested")
		s.tell("Slack refreshes the connections: %s", reason)
		s.slack.Disconnect(reason)
	case n < 88:
		s.mu.Lock()
		s.share = !s.share && s.rough > 0
		s.lost = s.lost || s.share
		s.mu.Unlock()
		s.slack.SetFaults(s.slackFaults())
	case n < 90:
		s.diskTrouble()
	case n < 97:
		effects := s.rng.IntN(60)
		s.tell("power will fail after %d effects", effects)
		s.power.failAfter(effects)
	default:
		s.tell("the service is stopped")
		s.stats.Stops++
		s.halt("asked to")
		time.Sleep(s.while(30 * time.Second))
		s.boot(-1)
	}
}

// diskTrouble is a database that cannot be written for a while: its disk is full, or another program holds it.
func (s *scenario) diskTrouble() {
	synctest.Wait() // nobody is writing
	if s.power.gone() {
		return
	}
	pages := func(n int) error {
		s.inTurn()
		defer s.inTurn()
		return quota(s.cfg.Store.Path, n)
	}
	end := func() error { return pages(allPages) }
	var err error
	if what := s.oneOf("the disk is full", "another program holds the database"); what == "the disk is full" {
		s.tell("%s", what)
		err = pages(noMorePages)
	} else {
		s.tell("%s", what)
		end, err = hold(s.cfg.Store.Path)
	}
	if err != nil {
		s.t.Errorf("make trouble with the disk: %v", err)
		return
	}
	s.pass(s.while(time.Minute))
	synctest.Wait()
	if err := end(); err != nil && !s.power.gone() {
		s.t.Errorf("end the trouble with the disk: %v", err)
	}
}

// inTurn begins a transaction and gives it up: what is done to the connection that writes, past the pool that has it, then
// comes after what others did with it, and before what they will.
func (s *scenario) inTurn() {
	_, _ = s.service.Store().Update(context.Background(), -1, func(*workflow.Batch) error { return nil }) // there is none
}

// onCard is somebody pressing something on a card: mostly who may, and what moves things on.
func (s *scenario) onCard(cards map[int64]workspace.Message) {
	var numbers []int64
	for n := range cards {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if len(numbers) == 0 {
		return
	}
	m := cards[numbers[s.rng.IntN(len(numbers))]]
	all := buttonsOf(m)
	if len(all) == 0 {
		return
	}
	s.remember(m)
	b := all[s.rng.IntN(len(all))]
	if s.rng.IntN(2) == 0 {
		b = all[0] // Approve, Pause, Resume, Retry failed, …
	}
	if b.action == "approve" && len(s.bad.approve) > 0 {
		s.press(m, b, s.bad.approve...)
		return
	}
	if b.action == "approve" && s.rng.IntN(4) > 0 {
		people := []string{simAlex, simBeth, simCarl, simDean, simAlx2, simHide}
		s.rng.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
		s.press(m, b, people[:1+s.rng.IntN(3)]...)
		return
	}
	people := []string{s.oneOf(everybody()...)}
	switch s.rng.IntN(6) {
	case 0: // clicks twice
		people = append(people, people[0])
	case 1:
		people = append(people, s.oneOf(everybody()...))
	case 2, 3:
		people[0] = s.oneOf(simAlex, simBeth, simCarl, simDean)
	}
	s.press(m, b, people...)
}

// remember keeps a card as it is, as a window does that nobody looks at for a while.
func (s *scenario) remember(m workspace.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pressed = append(s.pressed, m)
}

// onOldCard is somebody pressing a button that is no longer there.
func (s *scenario) onOldCard() {
	s.mu.Lock()
	old := slices.Clone(s.pressed)
	s.mu.Unlock()
	if len(old) == 0 {
		return
	}
	m := old[s.rng.IntN(len(old))]
	all := buttonsOf(m)
	b, who := all[s.rng.IntN(len(all))], s.oneOf(everybody()...)
	s.note(who, simButton{"an old " + b.label, b.action, b.value})
	_ = s.slack.ClickStale(context.Background(), who, simRequests, m, b.action)
}

// byWords is somebody doing by command what a button does.
func (s *scenario) byWords(cards map[int64]workspace.Message) {
	words := s.oneOf("pause", "resume", "resume", "cancel", "retry", "retry", "undo")
	number := int64(1 + s.rng.IntN(len(cards)+1))
	who := s.oneOf(simAlex, simBeth, simCarl, simHana, simHugo, simNils)
	action := words
	if words == "retry" {
		action = "retry_failed"
	}
	s.note(who, simButton{words, action, fmt.Sprintf("%d:", number)})
	s.command(who, fmt.Sprintf("%s %d", words, number))
}
