package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// choose is somebody picking an action in a menu under a file that does not say what is to happen.
func (s *scenario) choose() {
	for _, m := range s.slack.Messages(simRequests, "") {
		for _, r := range s.slack.Thread(simRequests, m.TS, "") {
			value := optionOf(r, "choose_action")
			if value == "" || s.rng.IntN(2) == 0 {
				continue
			}
			who := s.oneOf(simHana, simHugo, simAlex, simNils)
			s.tell("%s chooses what is to happen with the file of %s", who, m.User)
			_ = s.slack.ClickValue(context.Background(), who, simRequests, r.TS, "choose_action", "", value)
			return
		}
	}
}

// optionOf is the value of the first entry of a menu in a message, "" when there is none.
func optionOf(m workspace.Message, action string) string {
	var blocks []struct {
		Elements []struct {
			Action  string `json:"action_id"`
			Options []struct {
				Value string `json:"value"`
			} `json:"options"`
		} `json:"elements"`
	}
	if m.User != workspace.BotUserID || json.Unmarshal(m.Blocks, &blocks) != nil {
		return ""
	}
	for _, b := range blocks {
		for _, e := range b.Elements {
			if e.Action == action && len(e.Options) > 0 {
				return e.Options[0].Value
			}
		}
	}
	return ""
}

func (s *scenario) account(i int) string { return fmt.Sprintf("712020:acc-%02d", i) }

// askByFile is somebody posting a file: renames and such, chains, swaps, with rows that cannot be read or run; now and then
// one that is of no use, or by somebody who may not ask.
func (s *scenario) askByFile() {
	who := s.oneOf(simHana, simHana, simHana, simHugo, simHugo, simAlex, simBeth)
	if s.rng.IntN(8) == 0 {
		who = s.oneOf(simGust, simNils, simDora, simAlx2)
	}
	content, rows, words := s.csv()
	if rows > 0 && words != "" && s.more.IntN(3) == 0 {
		words += fmt.Sprintf("\nfor: %ds", 20+s.more.IntN(600))
	}
	asked := simFile{who: who, rows: rows}
	if rows == 0 {
		asked.refused = true
	}
	m, err := s.slack.Say(context.Background(), who, simRequests, "", words,
		workspace.Upload{Name: "ask.csv", Content: []byte(content)})
	if m.TS == "" {
		s.tell("%s cannot post a file: %v", who, err)
		return
	}
	s.tell("%s posts %q: %q", who, words, content)
	s.mu.Lock()
	s.files[m.TS] = asked
	s.mu.Unlock()
}

// csv is a file, how many rows it has (0 when it is to be refused), and what is said with it.
func (s *scenario) csv() (content string, rows int, words string) {
	switch s.rng.IntN(14) {
	case 0:
		return "colour,size\nred,4\n", 0, ""
	case 1:
		return "\x00\x01\x02 not a table", 0, "look at this"
	case 2:
		var b strings.Builder
		b.WriteString("account_id\n")
		n := 1 + s.rng.IntN(3)
		for _, i := range s.rng.Perm(simAccounts)[:n] {
			b.WriteString(s.account(i) + "\n")
		}
		return b.String(), n, s.oneOf("deactivate, they have left", "these") // the second is asked what is to happen
	}
	order := s.rng.Perm(11)
	if s.rng.IntN(4) == 0 { // with people's own, and those of whom the settings speak
		order = append([]int{14 + s.rng.IntN(4)}, order...)
		s.rng.Shuffle(5, func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	var out []workflow.RowValues
	rename := func(i int, to string) {
		a, _ := s.org.Account(s.account(i))
		row := askFor(workflow.Rename, a.ID, a.Email, to)
		switch s.rng.IntN(3) {
		case 0:
			row.Set(workflow.ColumnEmail, "")
		case 1:
			row.Set(workflow.ColumnAccountID, "")
		}
		out = append(out, row)
	}
	address := func(i int) string {
		a, _ := s.org.Account(s.account(i))
		return a.Email
	}
	fresh := func() string {
		switch s.rng.IntN(20) {
		case 0, 1, 2:
			return hiddenAddress(s.rng.IntN(3))
		case 3:
			return s.oneOf("dean@work.example", "hugo@work.example", "carl@work.example")
		case 4:
			return fmt.Sprintf("n%d@vip.example", s.rng.IntN(100000))
		}
		return fmt.Sprintf("n%d@new.example", s.rng.IntN(100000))
	}
	switch s.rng.IntN(4) {
	case 0: // a swap, or a longer circle
		n := 2 + s.rng.IntN(2)
		for k := range n {
			rename(order[k], address(order[(k+1)%n]))
		}
		order = order[n:]
		s.stats.Swaps++
	case 1: // a chain
		n := 2 + s.rng.IntN(2)
		for k := range n - 1 {
			rename(order[k], address(order[k+1]))
		}
		rename(order[n-1], fresh())
		order = order[n:]
	}
	for _, i := range order[:1+s.rng.IntN(4)] {
		if s.rng.IntN(2) == 0 {
			rename(i, fresh())
			continue
		}
		a, _ := s.org.Account(s.account(i))
		out = append(out, s.example(a))
	}
	for range s.rng.IntN(3) {
		switch s.rng.IntN(5) {
		case 0:
			out = append(out, askFor(workflow.Rename, "", "nobody@old.example", fresh()))
		case 1:
			out = append(out, askFor(workflow.Rename, "", "not an address", fresh()))
		case 2:
			out = append(out, askFor(workflow.Rename, s.account(11), "", fresh()))
		case 3:
			out = append(out, askFor(workflow.Deactivate, s.account(12), "", ""))
		default:
			out = append(out, askFor(workflow.Activate, s.account(13), "", ""))
		}
	}
	s.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	content = tableOf(out)
	return content, len(out), s.oneOf("", "reason: a new name for all", "reason: it burns")
}

// askByCommand is somebody asking for a batch of one.
func (s *scenario) askByCommand() {
	a, _ := s.org.Account(s.account(s.rng.IntN(simAccounts)))
	who := s.oneOf(simHana, simHugo, simAlex, simBeth, simNils, simGust)
	text := fmt.Sprintf("rename %s n%d@new.example reason: married", a.Email, s.rng.IntN(100000))
	switch s.rng.IntN(4) {
	case 0, 1:
		text = s.exampleCommand(a)
	case 2:
		text = s.oneOf("find Person", "batches", "domains", "help", "report run managed-accounts", "rename what", "groups", "history "+a.Email,
			"history "+a.ID, "migrate-domain old.example new.example reason: merger", "migrate-domain old.example new.example names first.last",
			"migrate-domain new.example old.example only-group "+s.oneOf("jira-users", "nobody"))
	}
	s.command(who, s.atATime(text))
}

// atATime adds a time to a request now and then: a few minutes from now, for a few minutes, or both. Who asks reads clocks in
// Amsterdam.
func (s *scenario) atATime(text string) string {
	words, reason, more := strings.Cut(text, " reason: ")
	if s.more.IntN(3) > 0 || strings.Contains(text, " -- ") || !more && !strings.Contains(text, "@") {
		return text
	}
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		s.t.Fatal(err)
	}
	in := func(least int) string {
		return time.Now().Add(time.Duration(least+s.more.IntN(5)) * time.Minute).In(zone).Format("2006-01-02 15:04")
	}
	switch s.more.IntN(4) {
	case 0:
		words += " at " + in(2)
	case 1:
		words += " until " + in(5)
	case 2:
		words += fmt.Sprintf(" for %ds", 20+s.more.IntN(400))
	default:
		words += " at " + in(2) + fmt.Sprintf(" for %dm", 1+s.more.IntN(6))
	}
	if more {
		words += " reason: " + reason
	}
	return words
}
