package simulation

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// posted is a message of the service, with the files in it.
type posted struct {
	workspace.Message
	thread string
}

// posts are the messages of the service in the two channels by the keys under which it knows them, its files in each
// thread by name, and what stands in the channel that belongs below a card: Slack puts an answer to a message that is gone
// there.
func (s *scenario) posts() (byKey map[string][]posted, files map[string]map[string][]string, strays []string) {
	byKey, files = map[string][]posted{}, map[string]map[string][]string{}
	channels := slices.Concat(s.slack.Messages(simRequests, ""), s.slack.Messages(simReports, ""))
	for _, m := range channels {
		s.mu.Lock()
		deleted := s.deleted[m.TS] || s.deleted[m.ThreadTS]
		s.mu.Unlock()
		if deleted { // what stands below is said again below the next card
			continue
		}
		for _, r := range s.slack.Thread(m.Channel, m.TS, "") {
			if r.User != workspace.BotUserID {
				continue
			}
			key := keyOf(r.Metadata)
			if number, name := keyParts(key); number > 0 && name != "card" && r.TS == m.TS {
				strays = append(strays, fmt.Sprintf("%s stands in the channel and not below its card (%s)", key, r.TS))
			}
			if key != "" {
				byKey[key] = append(byKey[key], posted{r, m.TS})
			}
			for _, f := range r.Files {
				if r.TS == m.TS {
					strays = append(strays, fmt.Sprintf("%s stands in the channel and not in a thread (%s)", f.Name, r.TS))
				}
				if files[m.TS] == nil {
					files[m.TS] = map[string][]string{}
				}
				files[m.TS][f.Name] = append(files[m.TS][f.Name], f.ID)
			}
		}
	}
	return byKey, files, strays
}

// untold lists what people were promised and cannot see.
func (s *scenario) untold() []string {
	var out []string
	missing := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	byKey, files, strays := s.posts()
	out = append(out, strays...)
	for key, all := range byKey {
		if number, _ := keyParts(key); len(all) > 1 && !s.relived[number] && !s.unseen[number] && (number != 0 || !s.wentBack) {
			var where []string
			for _, p := range all {
				where = append(where, p.TS+" in the thread of "+p.thread)
			}
			missing("%s was posted %d times: %s", key, len(all), strings.Join(where, ", "))
		}
	}
	for ts, names := range files {
		for name, ids := range names {
			if len(ids) > 1 && !s.wentBack {
				missing("%s was shared %d times in the thread of %s", name, len(ids), ts)
			}
		}
	}
	batches, err := s.db().List(context.Background(), 0)
	if err != nil {
		return []string{err.Error()}
	}
	for _, b := range batches {
		if b.Unseen() { // it stands on the card of what it takes back
			if len(byKey[fmt.Sprintf("batch/%d/card", b.Number)]) > 0 && !s.wentBack {
				missing("#%d is a return that has not begun, and has a card", b.Number)
			}
			continue
		}
		if answer, known, err := s.db().Post(context.Background(), fmt.Sprintf("batch/%d/answer", b.Number)); err != nil || known {
			if err != nil || b.Source.Kind != workflow.SourceCommand || b.State.Open() || !b.Started.IsZero() || answer.TS == "" ||
				len(byKey[fmt.Sprintf("batch/%d/card", b.Number)]) > 0 && !s.wentBack {
				missing("#%d (%s) was answered privately: %+v, %v", b.Number, b.State, answer, err)
			}
			continue
		}
		one := func(name string) (posted, bool) {
			all := byKey[fmt.Sprintf("batch/%d/%s", b.Number, name)]
			if len(all) == 0 {
				missing("#%d (%s): its %s is not there", b.Number, b.State, name)
				return posted{}, false
			}
			return all[0], true
		}
		card, ok := one("card")
		if !ok || s.relived[b.Number] && len(byKey[fmt.Sprintf("batch/%d/card", b.Number)]) > 1 {
			continue
		}
		if words := simWords(b); !strings.Contains(card.Text, words) {
			missing("the card of #%d does not say %q: %q", b.Number, words, card.Text)
		}
		for _, each := range buttonsOf(card.Message) {
			if !slices.Contains([]string{"retry_failed", "undo", "ask_again", "check_again", "details"}, each.action) {
				missing("the card of #%d (%s) still has the button %s", b.Number, b.State, each.label)
			}
		}
		share := func(name string, rows int) {
			ids := files[card.TS][name]
			switch {
			case s.relived[b.Number] && len(ids) > 0: // may be from before the database went back, too
			case len(ids) > 1:
				missing("%s was shared %d times", name, len(ids))
			case len(ids) == 0 && !s.saidInstead(byKey, b.Number, name):
				missing("%s is not there", name)
			case len(ids) == 1 && rows >= 0:
				out = append(out, s.readBack(b, ids[0], name, rows)...)
			}
		}
		if b.Digest != "" {
			share(fmt.Sprintf("batch-%d-plan.csv", b.Number), -1)
		}
		if b.Emergency {
			if left := s.untoldOfEmergency(b); len(left) > 0 {
				missing("#%d is an emergency, and %v were not told", b.Number, left)
			}
		}
		if b.State == workflow.Empty {
			one("empty")
		}
		if view.TellsEnd(b) {
			one("ended")
		}
		if b.Started.IsZero() || b.State != workflow.Done && b.State != workflow.Cancelled {
			continue
		}
		run, name := max(b.Run, 1), fmt.Sprintf("batch-%d-results.csv", b.Number)
		if run > 1 {
			name = fmt.Sprintf("batch-%d-results-%d.csv", b.Number, run)
		}
		share(name, b.Rows)
		if end, ok := one(fmt.Sprintf("end/%d", run)); ok && !s.relived[b.Number] {
			for _, p := range append(b.Approvers(), b.Requester) {
				if !strings.Contains(end.Text, "<@"+p.ID+">") {
					missing("the end of #%d does not call %s: %q", b.Number, p.ID, end.Text)
				}
			}
		}
	}
	return append(out, s.unanswered()...)
}

// unanswered lists the files that got no word.
func (s *scenario) unanswered() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ts, f := range s.files {
		if !slices.ContainsFunc(s.slack.Thread(simRequests, ts, ""), func(m workspace.Message) bool {
			return m.User == workspace.BotUserID
		}) {
			out = append(out, fmt.Sprintf("the file that %s posted at %s has no answer", f.who, ts))
		}
	}
	return out
}

// saidInstead reports whether words stand where a file should be. They may only where Slack kept losing what it took.
func (s *scenario) saidInstead(byKey map[string][]posted, number int64, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lost {
		return false
	}
	for key, all := range byKey {
		if n, _ := keyParts(key); n == number && strings.HasPrefix(all[0].Text, name+" cannot be put here") {
			return true
		}
	}
	return false
}

// simWords are words in the title of an ended batch's card.
func simWords(b *workflow.Batch) string {
	switch {
	case b.State == workflow.Empty:
		return "No row can run"
	case b.State == workflow.Cancelled && b.Ending != nil && b.Ending.Reason == "withdrawn":
		return "Withdrawn by "
	case b.State == workflow.Done:
		return fmt.Sprintf(" #%d · ", b.Number)
	case b.State == workflow.Expired && len(b.Approvers()) > 0:
		return fmt.Sprintf("Expired with %d of %d approvals", len(b.Approvers()), b.Approvals)
	case b.State == workflow.Expired:
		return "Expired, nobody decided"
	}
	return strings.ToUpper(string(b.State[:1])) + string(b.State[1:]) + " by "
}

// readBack compares the results as people have them with the rows of the request: none may be missing, and each must say
// what the database says.
func (s *scenario) readBack(b *workflow.Batch, id, name string, rows int) []string {
	_, content, _ := s.slack.File(id)
	table, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\uFEFF")))).ReadAll()
	if err != nil || len(table) == 0 {
		return []string{fmt.Sprintf("%s cannot be read: %v", name, err)}
	}
	if len(table)-1 != rows {
		return []string{fmt.Sprintf("%s has %d of %d rows", name, len(table)-1, rows)}
	}
	changes, err := s.db().Changes(context.Background(), b.Number, 0, 0)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	status := slices.Index(table[0], "status")
	for i, c := range changes {
		if i+1 < len(table) && (table[i+1][0] != fmt.Sprint(c.Row) || table[i+1][status] != string(c.State)) {
			out = append(out, fmt.Sprintf("%s says %q, and line %d is %s", name, table[i+1], c.Row, c.State))
		}
	}
	return out
}
