package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
func (l *life) cards() map[int64]workspace.Message {
	out := map[int64]workspace.Message{}
	for _, m := range l.slack.Messages(simRequests, "") {
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
func (l *life) note(who string, b simButton) {
	n, digest, _ := strings.Cut(b.value, ":")
	number, _ := strconv.ParseInt(n, 10, 64)
	l.tell("%s clicks %s of #%d", who, b.label, number)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clicks = append(l.clicks, simClick{who, b.action, number, digest, time.Now()})
}

// press is people clicking a button of a card as it is now, all at the same moment.
func (l *life) press(m workspace.Message, b simButton, people ...string) {
	var clicking sync.WaitGroup
	for _, who := range people {
		l.note(who, b)
		clicking.Go(func() {
			// That it came to nothing is seen by whoever clicks, as a triangle beside the button.
			_ = l.slack.Click(context.Background(), who, simRequests, m.TS, b.action, "")
		})
	}
	clicking.Wait()
	if b.action != "reject" {
		return
	}
	l.pass(l.while(6 * time.Second))
	for _, who := range people {
		for _, v := range l.slack.Views(who) {
			l.note(who, simButton{"the form of Reject", "reject", b.value})
			_ = l.slack.SubmitView(context.Background(), who, v.ID, map[string]string{"reason": "not these"})
		}
	}
}

// command is somebody giving a slash command.
func (l *life) command(who, text string) {
	l.tell("%s: /countersign %s", who, text)
	l.mu.Lock()
	l.commands = append(l.commands, simCommand{who, text, time.Now()})
	l.mu.Unlock()
	_ = l.slack.Command(context.Background(), who, simRequests, text)
}

// while is a random time.
func (l *life) while(d time.Duration) time.Duration {
	return time.Duration(l.rng.IntN(int(d/time.Millisecond))) * time.Millisecond
}

func (l *life) oneOf(people ...string) string { return people[l.rng.IntN(len(people))] }

// act is one thing that somebody does, or that happens by itself.
func (l *life) act() {
	cards := l.cards()
	switch n := l.rng.IntN(100); {
	case n < 12 && len(cards) < 5, len(cards) == 0 && n < 60:
		l.askByFile()
	case n < 18 && len(cards) < 6:
		l.askByCommand()
	case n < 53:
		l.onCard(cards)
	case n < 60:
		l.inBetween(cards)
	case n < 62:
		l.changeSettings()
	case n < 64:
		l.choose()
	case n < 67:
		l.onOldCard()
	case n < 71:
		l.byWords(cards)
	case n < 77:
		l.changeRoles()
	case n < 80:
		l.behind()
	case n < 82:
		l.outage(time.Duration(5+l.rng.IntN(80)) * time.Second)
	case n < 84:
		l.tell("the sockets are cut")
		l.slack.CutSockets()
	case n < 86:
		reason := l.oneOf("warning", "refresh_requested")
		l.tell("Slack refreshes the connections: %s", reason)
		l.slack.Disconnect(reason)
	case n < 88:
		l.mu.Lock()
		l.share = !l.share && l.rough > 0
		l.lost = l.lost || l.share
		l.mu.Unlock()
		l.slack.SetFaults(l.slackFaults())
	case n < 90:
		l.diskTrouble()
	case n < 97:
		effects := l.rng.IntN(60)
		l.tell("power will fail after %d effects", effects)
		l.power.failAfter(effects)
	default:
		l.tell("the service is stopped")
		l.tale.Stops++
		l.halt("asked to")
		time.Sleep(l.while(30 * time.Second))
		l.boot(-1)
	}
}

// diskTrouble is a database that cannot be written for a while: its disk is full, or another program holds it.
func (l *life) diskTrouble() {
	synctest.Wait() // nobody is writing
	if l.power.gone() {
		return
	}
	pages := func(n int) error {
		l.inTurn()
		defer l.inTurn()
		return quota(l.cfg.Store.Path, n)
	}
	end := func() error { return pages(allPages) }
	var err error
	if what := l.oneOf("the disk is full", "another program holds the database"); what == "the disk is full" {
		l.tell("%s", what)
		err = pages(noMorePages)
	} else {
		l.tell("%s", what)
		end, err = hold(l.cfg.Store.Path)
	}
	if err != nil {
		l.t.Errorf("make trouble with the disk: %v", err)
		return
	}
	l.pass(l.while(time.Minute))
	synctest.Wait()
	if err := end(); err != nil && !l.power.gone() {
		l.t.Errorf("end the trouble with the disk: %v", err)
	}
}

// inTurn begins a transaction and gives it up: what is done to the connection that writes, past the pool that has it, then
// comes after what others did with it, and before what they will.
func (l *life) inTurn() {
	_, _ = l.service.store.Update(context.Background(), -1, func(*workflow.Batch) error { return nil }) // there is none
}

// onCard is somebody pressing something on a card: mostly who may, and what moves things on.
func (l *life) onCard(cards map[int64]workspace.Message) {
	var numbers []int64
	for n := range cards {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if len(numbers) == 0 {
		return
	}
	m := cards[numbers[l.rng.IntN(len(numbers))]]
	all := buttonsOf(m)
	if len(all) == 0 {
		return
	}
	l.remember(m)
	b := all[l.rng.IntN(len(all))]
	if l.rng.IntN(2) == 0 {
		b = all[0] // Approve, Pause, Resume, Retry failed, …
	}
	if b.action == "approve" && len(l.bad.approve) > 0 {
		l.press(m, b, l.bad.approve...)
		return
	}
	if b.action == "approve" && l.rng.IntN(4) > 0 {
		people := []string{simAlex, simBeth, simCarl, simDean, simAlx2, simHide}
		l.rng.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
		l.press(m, b, people[:1+l.rng.IntN(3)]...)
		return
	}
	people := []string{l.oneOf(everybody()...)}
	switch l.rng.IntN(6) {
	case 0: // clicks twice
		people = append(people, people[0])
	case 1:
		people = append(people, l.oneOf(everybody()...))
	case 2, 3:
		people[0] = l.oneOf(simAlex, simBeth, simCarl, simDean)
	}
	l.press(m, b, people...)
}

// choose is somebody picking an action in a menu under a file that does not say what is to happen.
func (l *life) choose() {
	for _, m := range l.slack.Messages(simRequests, "") {
		for _, r := range l.slack.Thread(simRequests, m.TS, "") {
			value := optionOf(r, "choose_action")
			if value == "" || l.rng.IntN(2) == 0 {
				continue
			}
			who := l.oneOf(simHana, simHugo, simAlex, simNils)
			l.tell("%s chooses what is to happen with the file of %s", who, m.User)
			_ = l.slack.ClickValue(context.Background(), who, simRequests, r.TS, "choose_action", "", value)
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

// remember keeps a card as it is, as a window does that nobody looks at for a while.
func (l *life) remember(m workspace.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pressed = append(l.pressed, m)
}

// onOldCard is somebody pressing a button that is no longer there.
func (l *life) onOldCard() {
	l.mu.Lock()
	old := slices.Clone(l.pressed)
	l.mu.Unlock()
	if len(old) == 0 {
		return
	}
	m := old[l.rng.IntN(len(old))]
	all := buttonsOf(m)
	b, who := all[l.rng.IntN(len(all))], l.oneOf(everybody()...)
	l.note(who, simButton{"an old " + b.label, b.action, b.value})
	_ = l.slack.ClickStale(context.Background(), who, simRequests, m, b.action)
}

// byWords is somebody doing by command what a button does.
func (l *life) byWords(cards map[int64]workspace.Message) {
	words := l.oneOf("pause", "resume", "resume", "cancel", "retry", "retry", "undo")
	number := int64(1 + l.rng.IntN(len(cards)+1))
	who := l.oneOf(simAlex, simBeth, simCarl, simHana, simHugo, simNils)
	action := words
	if words == "retry" {
		action = "retry_failed"
	}
	l.note(who, simButton{words, action, fmt.Sprintf("%d:", number)})
	l.command(who, fmt.Sprintf("%s %d", words, number))
}

// changeRoles is somebody gaining or losing a role, also between somebody's look at a card and their click.
func (l *life) changeRoles() {
	l.changeRole(l.oneOf(simAlex, simBeth, simCarl, simDean, simAlx2, simHana, simHugo))
}

// changeRole changes what somebody is or may do.
func (l *life) changeRole(who string) {
	switch l.rng.IntN(7) {
	case 0:
		l.tell("%s is deactivated, or comes back", who)
		l.cast.edit(l.t, func() error {
			return l.slack.UpdatePerson(who, func(p *workspace.Person) { p.Deleted = !p.Deleted })
		})
	case 1:
		l.tell("%s becomes a guest, or a member", who)
		l.cast.edit(l.t, func() error {
			return l.slack.UpdatePerson(who, func(p *workspace.Person) { p.IsRestricted = !p.IsRestricted })
		})
	case 2:
		address := l.oneOf("alex@work.example", "BETH@work.example", "hana@work.example", "hugo@work.example", "p6@old.example",
			"boss@vip.example", "", figures()[who].email, figures()[who].email)
		l.tell("%s has the address %q", who, address)
		l.cast.edit(l.t, func() error {
			return l.slack.UpdatePerson(who, func(p *workspace.Person) { p.Email = address })
		})
	case 3:
		l.join(l.oneOf(simLoud, simOncall), l.oneOf(simHana, simHugo, simAlex))
	default:
		group := simAdmins
		if figures()[who].asks {
			group = simHelpdesk
		}
		l.join(group, who)
	}
}

// join puts somebody into a user group, or takes them out.
func (l *life) join(group, who string) {
	l.tell("%s leaves or joins %s", who, group)
	l.cast.edit(l.t, func() error {
		var users []string
		for _, g := range l.slack.Groups() {
			if g.ID == group {
				users = g.Users
			}
		}
		if i := slices.Index(users, who); i >= 0 {
			users = slices.Delete(users, i, i+1)
		} else {
			users = append(users, who)
		}
		return l.slack.SetGroupMembers(group, users)
	})
}

// inBetween is a role that somebody loses, or settings that change, between the approvals of a batch, or between somebody's
// look at a card and their click.
func (l *life) inBetween(cards map[int64]workspace.Message) {
	for _, n := range slices.Sorted(maps.Keys(cards)) {
		m := cards[n]
		all := buttonsOf(m)
		if len(all) == 0 || all[0].action != "approve" {
			continue
		}
		people := []string{simAlex, simBeth, simCarl, simDean}
		l.rng.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
		if b, err := l.db().Batch(context.Background(), n); err == nil && b.Approvals > 1 {
			l.press(m, all[0], people[0])
			l.pass(l.while(10 * time.Second))
		}
		switch l.rng.IntN(5) {
		case 0, 1:
			l.tighten(n)
		case 2:
			l.changeRole(people[0])
		case 3:
			l.changeRole(l.oneOf(people[1], simHana, simHugo))
		default: // comes back, too, it may be
			l.join(simAdmins, people[0])
			if l.rng.IntN(3) == 0 {
				l.pass(l.while(4 * time.Second))
				l.press(m, all[0], people[1])
				l.join(simAdmins, people[0])
			}
		}
		l.pass(l.while(3 * time.Second))
		for _, each := range people[1:] {
			l.press(m, all[0], each)
			l.pass(l.while(5 * time.Second))
		}
		return
	}
}

// behind is somebody else changing an account in Atlassian.
func (l *life) behind() {
	a, ok := l.org.Account(l.account(l.rng.IntN(11)))
	if !ok {
		return
	}
	stray := simStray{account: a.ID, from: a.Email, at: time.Now()}
	if l.rng.IntN(3) == 0 {
		a.Status = map[string]string{"active": "inactive", "inactive": "active"}[a.Status]
	} else {
		a.Email = fmt.Sprintf("elsewhere%d@old.example", l.rng.IntN(1000))
	}
	stray.to = a.Email
	l.tell("somebody else changes %s: %s, %s", a.ID, a.Email, a.Status)
	l.mu.Lock()
	l.strays = append(l.strays, stray)
	l.mu.Unlock()
	if err := l.org.Put(a); err != nil {
		l.t.Logf("seed %d: %v", l.seed, err)
	}
}

func (l *life) account(i int) string { return fmt.Sprintf("712020:acc-%02d", i) }

// askByFile is somebody posting a file: renames and such, chains, swaps, with rows that cannot be read or run; now and then
// one that is of no use, or by somebody who may not ask.
func (l *life) askByFile() {
	who := l.oneOf(simHana, simHana, simHana, simHugo, simHugo, simAlex, simBeth)
	if l.rng.IntN(8) == 0 {
		who = l.oneOf(simGust, simNils, simDora, simAlx2)
	}
	content, rows, words := l.csv()
	asked := simFile{who: who, rows: rows}
	if rows == 0 {
		asked.refused = true
	}
	m, err := l.slack.Say(context.Background(), who, simRequests, "", words,
		workspace.Upload{Name: "ask.csv", Content: []byte(content)})
	if m.TS == "" {
		l.tell("%s cannot post a file: %v", who, err)
		return
	}
	l.tell("%s posts %q: %q", who, words, content)
	l.mu.Lock()
	l.files[m.TS] = asked
	l.mu.Unlock()
}

// csv is a file, how many rows it has (0 when it is to be refused), and what is said with it.
func (l *life) csv() (content string, rows int, words string) {
	switch l.rng.IntN(14) {
	case 0:
		return "colour,size\nred,4\n", 0, ""
	case 1:
		return "\x00\x01\x02 not a table", 0, "look at this"
	case 2:
		var b strings.Builder
		b.WriteString("account_id\n")
		n := 1 + l.rng.IntN(3)
		for _, i := range l.rng.Perm(simAccounts)[:n] {
			b.WriteString(l.account(i) + "\n")
		}
		return b.String(), n, l.oneOf("deactivate, they have left", "these") // the second is asked what is to happen
	}
	order := l.rng.Perm(11)
	if l.rng.IntN(4) == 0 { // with people's own, and those of whom the settings speak
		order = append([]int{14 + l.rng.IntN(4)}, order...)
		l.rng.Shuffle(5, func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	var out [][]string
	rename := func(i int, to string) {
		a, _ := l.org.Account(l.account(i))
		switch l.rng.IntN(3) {
		case 0:
			out = append(out, []string{"rename", a.ID, "", to})
		case 1:
			out = append(out, []string{"rename", "", a.Email, to})
		default:
			out = append(out, []string{"rename", a.ID, a.Email, to})
		}
	}
	address := func(i int) string {
		a, _ := l.org.Account(l.account(i))
		return a.Email
	}
	fresh := func() string {
		switch l.rng.IntN(20) {
		case 0, 1, 2:
			return hiddenAddress(l.rng.IntN(3))
		case 3:
			return l.oneOf("dean@work.example", "hugo@work.example", "carl@work.example")
		case 4:
			return fmt.Sprintf("n%d@vip.example", l.rng.IntN(100000))
		}
		return fmt.Sprintf("n%d@new.example", l.rng.IntN(100000))
	}
	switch l.rng.IntN(4) {
	case 0: // a swap, or a longer circle
		n := 2 + l.rng.IntN(2)
		for k := range n {
			rename(order[k], address(order[(k+1)%n]))
		}
		order = order[n:]
		l.tale.Swaps++
	case 1: // a chain
		n := 2 + l.rng.IntN(2)
		for k := range n - 1 {
			rename(order[k], address(order[k+1]))
		}
		rename(order[n-1], fresh())
		order = order[n:]
	}
	for _, i := range order[:1+l.rng.IntN(4)] {
		switch l.rng.IntN(6) {
		case 0:
			out = append(out, []string{"deactivate", l.account(i), "", ""})
		case 1:
			out = append(out, []string{"activate", l.account(i), "", ""})
		default:
			rename(i, fresh())
		}
	}
	for range l.rng.IntN(3) {
		switch l.rng.IntN(5) {
		case 0:
			out = append(out, []string{"rename", "", "nobody@old.example", fresh()})
		case 1:
			out = append(out, []string{"rename", "", "not an address", fresh()})
		case 2:
			out = append(out, []string{"rename", l.account(11), "", fresh()})
		case 3:
			out = append(out, []string{"deactivate", l.account(12), "", ""})
		default:
			out = append(out, []string{"activate", l.account(13), "", ""})
		}
	}
	l.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	var b strings.Builder
	b.WriteString("action,account_id,old_email,new_email\n")
	for _, row := range out {
		b.WriteString(strings.Join(row, ",") + "\n")
	}
	return b.String(), len(out), l.oneOf("", "reason: a new name for all", "reason: it burns")
}

// askByCommand is somebody asking for a batch of one.
func (l *life) askByCommand() {
	a, _ := l.org.Account(l.account(l.rng.IntN(simAccounts)))
	who := l.oneOf(simHana, simHugo, simAlex, simBeth, simNils, simGust)
	text := fmt.Sprintf("rename %s n%d@new.example reason: married", a.Email, l.rng.IntN(100000))
	switch l.rng.IntN(4) {
	case 0:
		text = fmt.Sprintf("deactivate %s -- Left the company", a.ID)
	case 1:
		text = "activate " + a.Email
	case 2:
		text = l.oneOf("find Person", "batches", "domains", "help", "report run managed-accounts", "rename what")
	}
	l.command(who, text)
}
