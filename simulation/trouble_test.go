package simulation

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// promptly is how long somebody who decides waits for an answer, whatever else is going on. Slack's own limits leave time
// for it.
const promptly = 15 * time.Second

// meetTrouble is something that lasts: sockets that do not stay, a method that Slack holds back, uploads that it
// refuses, lists without an end, more messages and commands than anybody reads, a database that goes back in time.
func (s *scenario) meetTrouble() {
	s.stats.Troubles++
	switch s.more.IntN(8) {
	case 0:
		s.tell("the sockets are cut, and the next is not found")
		s.during(time.Minute, workspace.NotFoundOnce())
		s.slack.CutSockets()
	case 1:
		cuts := 2 + s.more.IntN(14)
		s.tell("%d sockets are cut soon after their hello", cuts)
		s.mu.Lock()
		s.cutHellos = cuts
		s.mu.Unlock()
		s.slack.SetFaults(s.slackFaults())
		s.slack.CutSockets()
		s.pass(time.Minute)
		s.mu.Lock()
		s.cutHellos = 0
		s.mu.Unlock()
		s.slack.SetFaults(s.slackFaults())
	case 2:
		s.tell("Slack refuses uploads")
		s.mu.Lock()
		s.lost = true // what was to be shared may be said in words
		s.mu.Unlock()
		s.during(time.Minute, workspace.RefuseUploads())
	case 3:
		method := []string{"chat.postMessage", "chat.update", "users.info", "conversations.history"}[s.more.IntN(4)]
		s.tell("Slack holds back %s for six hours, for a minute", method)
		s.heldBack = true
		s.during(time.Minute, workspace.HoldBack(method, 6*time.Hour))
	case 4:
		s.tell("lists have no end")
		s.endless.Store(true)
		s.pass(time.Duration(10+s.more.IntN(60)) * time.Second)
		s.endless.Store(false)
	case 5, 6:
		s.flood()
	default:
		if s.copied == "" {
			s.keepCopy()
		}
	}
}

// isTimeToGoBack reports whether it is time to put the copy of the database back.
func (s *scenario) isTimeToGoBack() bool {
	if s.copied == "" || s.wentBack {
		return false
	}
	s.sinceCopy++
	return s.sinceCopy > 5
}

// during lets Slack answer so for a while.
func (s *scenario) during(d time.Duration, trouble func(string, url.Values) *workspace.Reply) {
	for _, each := range []func(string, url.Values) *workspace.Reply{trouble, nil} {
		s.mu.Lock()
		s.trouble = each
		s.mu.Unlock()
		s.slack.SetFaults(s.slackFaults())
		if each != nil {
			s.pass(d)
		}
	}
}

// calm lets nothing go wrong by itself until the returned func is called.
func (s *scenario) calm() (again func()) {
	s.mu.Lock()
	was := s.rough
	s.rough = 0
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.rough = was
		s.mu.Unlock()
	}
}

// flood is people without a role who write to the bot, and commands of everybody, as many as there can be, while somebody
// approves. The decision is made, or they are told why not, as if there were no flood.
func (s *scenario) flood() {
	defer s.calm()()
	s.pass(30 * time.Second) // what is late has come
	if s.over || s.power.gone() {
		return
	}
	s.power.failAfter(-1)
	s.tell("a flood of messages and commands")
	var flood sync.WaitGroup
	for i := range 60 {
		who := []string{simNils, simGust, simAlx2}[s.more.IntN(3)]
		command := []string{"help", "batches", "find Person", "domains"}[s.more.IntN(4)]
		flood.Go(func() {
			_, _ = s.slack.Say(context.Background(), who, s.slack.OpenDM(who), "", fmt.Sprint("hello ", i))
			_ = s.slack.Command(context.Background(), who, simRequests, command)
		})
	}
	defer flood.Wait()
	s.pass(time.Second)
	for _, card := range s.cards() {
		i := slices.IndexFunc(buttonsOf(card), func(b simButton) bool { return b.action == "approve" })
		if i < 0 || s.over {
			continue
		}
		button, who := buttonsOf(card)[i], []string{simAlex, simBeth, simCarl, simDean}[s.more.IntN(4)]
		began := time.Now()
		s.press(card, button, who)
		for time.Since(began) < promptly && !s.answeredSince(button, who, began) {
			s.pass(time.Second)
		}
		switch {
		case s.answeredSince(button, who, began):
			s.stats.Answered++
		case !s.power.gone() && !slices.ContainsFunc(s.reborn, began.Before):
			s.violated("the Approve of %s on %s was not answered in %s, in a flood", who, button.value, promptly)
		}
		return
	}
}

// answeredSince reports whether a click on a card came to something: the decision, or a word to who clicked.
func (s *scenario) answeredSince(b simButton, who string, began time.Time) bool {
	n, _, _ := strings.Cut(b.value, ":")
	number, _ := strconv.ParseInt(n, 10, 64)
	batch, err := s.db().Batch(context.Background(), number)
	if err == nil && (batch.State != workflow.AwaitingApproval || slices.ContainsFunc(batch.Decisions, func(d workflow.Decision) bool {
		return d.Person.ID == who
	})) {
		return true
	}
	told := func(m workspace.Message) bool {
		seconds, _, _ := strings.Cut(m.TS, ".")
		at, _ := strconv.ParseInt(seconds, 10, 64)
		return m.Ephemeral && at >= began.Unix()
	}
	return slices.ContainsFunc(s.slack.Messages(simRequests, who), func(m workspace.Message) bool {
		return told(m) || slices.ContainsFunc(s.slack.Thread(simRequests, m.TS, who), told)
	})
}

// ofDatabase are the ends of the names of the files that a stopped database is in.
var ofDatabase = []string{"", "-wal"}

// keepCopy is somebody copying the database while the service stands.
func (s *scenario) keepCopy() {
	s.halt("asked to")
	s.closeReader()
	s.copied = filepath.Join(filepath.Dir(s.cfg.Store.Path), "copy")
	for _, end := range ofDatabase {
		raw, err := os.ReadFile(s.cfg.Store.Path + end)
		if err == nil {
			err = os.WriteFile(s.copied+end, raw, 0o600)
		}
		if err != nil && !os.IsNotExist(err) {
			s.t.Errorf("copy the database: %v", err)
		}
	}
	s.tell("the database is copied")
	s.boot(-1)
}

// goBack puts the copy back. Nothing goes wrong until it has been noticed, so that no number may be given twice; the cards
// of what was forgotten stay, with all their buttons.
func (s *scenario) goBack() {
	defer s.calm()()
	s.halt("asked to")
	batches, err := s.db().List(context.Background(), 0)
	if err != nil {
		s.violated("list the batches: %v", err)
	}
	s.closeReader()
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(s.cfg.Store.Path + end); err != nil && !os.IsNotExist(err) {
			s.t.Errorf("put the copy back: %v", err)
		}
	}
	for _, end := range ofDatabase {
		raw, err := os.ReadFile(s.copied + end)
		if err == nil {
			err = os.WriteFile(s.cfg.Store.Path+end, raw, 0o600)
		}
		if err != nil && !os.IsNotExist(err) {
			s.t.Errorf("put the copy back: %v", err)
		}
	}
	s.tell("the database is put back to its copy")
	s.wentBack = true
	s.stats.WentBack++
	s.stats.Cuts++ // what Slack asked for is forgotten, too
	known, err := s.db().List(context.Background(), 0)
	if err != nil {
		s.violated("list the batches of the copy: %v", err)
	}
	for _, b := range known {
		s.relived[b.Number] = true
	}
	shown := s.cards()
	for _, b := range batches {
		switch _, stands := shown[b.Number]; {
		case s.relived[b.Number]:
		case stands:
			s.forgotten[b.Number] = true
		default: // somebody deleted its card, so that its number is given anew beside what else was posted of it
			s.unseen[b.Number] = true
		}
	}
	s.reborn = append(s.reborn, time.Now())
	s.boot(-1)
	s.pass(30 * time.Second)
	for _, n := range slices.Sorted(maps.Keys(s.forgotten)) {
		if all := buttonsOf(shown[n]); len(all) > 0 {
			who, b := s.oneOf(simAlex, simBeth, simHana, simHugo), all[s.more.IntN(len(all))]
			s.note(who, simButton{"from before " + b.label, b.action, b.value})
			_ = s.slack.ClickStale(context.Background(), who, simRequests, shown[n], b.action)
		}
	}
}

// closeReader ends the reading beside the service, which keeps files open.
func (s *scenario) closeReader() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader != nil {
		_ = s.reader.Close()
	}
	s.reader = nil
}

// isCard reports whether the card of a batch was posted at that time.
func (s *scenario) isCard(ts string) bool {
	if ts == "" {
		return false
	}
	return slices.ContainsFunc(s.slack.Messages(simRequests, ""), func(m workspace.Message) bool {
		_, name := keyParts(keyOf(m.Metadata))
		return m.TS == ts && name == "card"
	})
}

// reportedWhole holds the reports against the organisation: all of its managed accounts, or the number that the list itself
// announced beside the one that it gave.
func (s *scenario) reportedWhole() {
	managed, newcomers := 0, 0 // newcomers may have come after a report: invited, or created at a site
	for _, a := range s.org.Accounts() {
		if !a.Managed {
			continue
		}
		if managed++; !strings.HasPrefix(a.ID, s.account(0)[:len(s.account(0))-2]) {
			newcomers++
		}
	}
	for _, m := range s.slack.Messages(simReports, "") {
		_, rest, found := strings.Cut(m.Text, ": *")
		n, rest, ends := strings.Cut(rest, "* account")
		number, err := strconv.Atoi(n)
		if m.User != workspace.BotUserID || !found || !ends || err != nil || number <= managed && number >= managed-newcomers {
			continue
		}
		said := strings.Contains(rest, strconv.Itoa(managed)) || strings.Contains(rest, "announce")
		if !said {
			s.violated("a report tells of %d accounts, of %d, and says nothing of it: %s", number, managed, m.Text)
		}
	}
}
