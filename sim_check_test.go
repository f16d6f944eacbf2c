package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// deciding is how long after a click its decision may be made: the check of a person may take half a minute, and it may
// have to wait for others.
const deciding = 90 * time.Second

// arrived looks at a request at the moment when it reaches the organisation, and says whether it is to change something.
// Then it must be of a plan, its intent must be on disk, and enough people must have approved it, as far as the simulator
// saw them do so and knows who they were.
func (l *life) arrived(r *http.Request) (write bool) {
	account, kind, to, write := written(r)
	if !write {
		return false
	}
	call := simCall{at: time.Now(), account: account, kind: kind, to: to}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.calls = append(l.calls, call)
	}()
	ctx := context.Background()
	batches, err := l.db().List(ctx, 0, workflow.Running, workflow.Paused, workflow.Cancelled, workflow.Done)
	if err != nil {
		l.violated("list the batches at a call: %v", err)
		return true
	}
	var of *workflow.Batch
	var row workflow.Change
	found, candidates := false, 0
	for _, b := range batches {
		changes, err := l.db().Changes(ctx, b.Number, 0, 0, workflow.ChangeRunning)
		if err != nil {
			l.violated("list the changes at a call: %v", err)
		}
		for _, c := range changes {
			step, ok := c.Next()
			if !ok || c.AccountID != account || !sameCall(step, kind, to) {
				continue
			}
			// Two batches may lock out the same person at the same moment. Which of them calls cannot be told then.
			candidates++
			unseen := l.first(b.Number, c)
			if unseen && !found || of == nil && kind != "email" {
				of, row, call.from, found = b, c, step.From, unseen
			}
		}
	}
	if candidates > 1 {
		l.mu.Lock()
		l.together[account] = true
		l.mu.Unlock()
	}
	if of == nil {
		l.violated("a call that is of no plan, made twice for one intent, or without an intent on disk: %s %s to %q", kind,
			account, to)
		return true
	}
	l.attempted(of.Number, row)
	l.arrivedFor(of, row, &call)
	return true
}

// arrivedFor looks at a call of which it is known for which row it is made.
func (l *life) arrivedFor(b *workflow.Batch, c workflow.Change, call *simCall) {
	call.batch, call.row = b.Number, c.Row
	l.tell("call: %s %s to %q for #%d, line %d", call.kind, call.account, call.to, b.Number, c.Row)
	l.approved(b, *call)
	switch {
	case len(b.Parked) > 0: // an exchange that has begun is brought to its end
	case b.State == workflow.Paused && c.Called.After(b.Stop.At):
		l.violated("a call for #%d, line %d was begun after the batch had been paused", b.Number, c.Row)
	case b.Ending != nil && c.Called.After(b.Ending.At):
		l.violated("a call for #%d, line %d was begun after the batch had been ended", b.Number, c.Row)
	}
}

func (l *life) attempted(batch int64, c workflow.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts[attemptOf(batch, c)] = true
}

func attemptOf(batch int64, c workflow.Change) string {
	return fmt.Sprint(batch, c.Row, c.Step, c.Back, c.Attempts, c.Called)
}

// first says whether no call was seen yet for this attempt at a row.
func (l *life) first(batch int64, c workflow.Change) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.attempts[attemptOf(batch, c)]
}

func sameCall(s workflow.Step, kind, to string) bool {
	switch s.Action {
	case workflow.Rename:
		return kind == "email" && s.To == to
	case workflow.Deactivate:
		return kind == "disable"
	case workflow.Activate:
		return kind == "enable"
	}
	return false
}

// approved says whether enough people approved the batch: by clicks that the simulator saw, on the digest that stands, of
// people who were entitled to it then, none of them requester or author, each human once.
func (l *life) approved(b *workflow.Batch, call simCall) {
	l.mu.Lock()
	clicks := slices.Clone(l.clicks)
	l.mu.Unlock()
	var humans []string
	want := 100 // at least, whatever the rules say
	for _, w := range l.cast.between(b.Created, call.at) {
		if want = min(want, w.rules.approvals); w.rules.emergency != "" {
			want = 1
		}
	}
	for _, c := range clicks {
		if c.action != "approve" || c.batch != b.Number || c.digest != b.Digest || c.digest == "" ||
			c.who == b.Requester.ID || c.who == b.Author.ID {
			continue
		}
		until := c.at.Add(deciding)
		if until.After(call.at) {
			until = call.at
		}
		human := l.cast.human(c.who, c.at, until)
		if l.cast.wasAdmin(c.who, c.at, until) && !slices.Contains(humans, human) {
			humans = append(humans, human)
		}
	}
	if len(humans) < want {
		l.violated("a call for #%d, line %d with %d approvals of %d: %v", b.Number, call.row, len(humans), want, humans)
	}
}

// compare holds the database against what the organisation and the workspace have recorded, once all is over.
func (l *life) compare() {
	ctx := context.Background()
	batches, err := l.db().List(ctx, 0)
	if err != nil {
		l.violated("list the batches: %v", err)
		return
	}
	effects := l.attribute()
	l.remembers(batches)
	l.withinDay()
	for _, b := range batches {
		changes, err := l.db().Changes(ctx, b.Number, 0, 0)
		if err != nil {
			l.violated("list the rows of #%d: %v", b.Number, err)
		}
		l.comesFrom(b)
		if l.called(b.Number) {
			l.legitimate(b, changes)
		}
		if len(b.Dropped) > 0 {
			l.tale.Lost++
		}
		l.tale.Batches++
		l.tale.Approvals += len(b.Approvers())
		if b.Run > 1 {
			l.tale.Retried++
		}
		if b.Link == workflow.LinkUndo {
			l.tale.Undone++
		}
		// An undone row of this batch is not looked at as it is now, but as this batch's effects left it.
		for _, c := range changes {
			l.tale.Rows++
			if slices.Contains([]workflow.ReasonCode{
				workflow.ReasonProtected, workflow.ReasonOrgAdmin, workflow.ReasonOwnAccount, workflow.ReasonOwnAlone,
				workflow.ReasonDayLimit,
			}, c.Reason.Code) {
				l.tale.Guarded++
			}
			l.compareRow(b, c, effects[[2]int64{b.Number, int64(c.Row)}])
		}
		if len(changes) != b.Rows && b.Digest != "" {
			l.violated("#%d has %d of %d rows", b.Number, len(changes), b.Rows)
		}
	}
	for _, v := range l.org.Violations() {
		if !strings.HasPrefix(v, "put account") {
			l.violated("Atlassian does not like: %s", v)
		}
	}
	for _, v := range l.slack.Violations() {
		if v.Rule != "retry_after_ignored" || l.tale.Cuts == 0 { // who was killed has forgotten what it was asked
			l.violated("Slack does not like %s: %s: %s", v.Where, v.Rule, v.Detail)
		}
	}
	l.withinLimit()
	audited, err := l.db().Audit(ctx)
	if err != nil || !audited.Whole() {
		l.violated("the log does not agree with the tables: %v, %v", audited.Findings, err)
	}
}

// withinLimit counts the calls that were over the announced limit, but for those answers that are faults, and those of the
// first minute after a power cut: what was known of the limit may not have been written down.
func (l *life) withinLimit() {
	over := map[string]int{}
	for _, c := range l.org.Calls() {
		forgotten := slices.ContainsFunc(l.reborn, func(at time.Time) bool {
			return !c.At.Before(at.Add(-time.Millisecond)) && c.At.Sub(at) < time.Minute
		})
		if c.Status == http.StatusTooManyRequests && !forgotten {
			over[c.Method+" "+c.Path]++
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for call, n := range over {
		if n > l.throttle[call] {
			l.wrong = append(l.wrong, fmt.Sprintf("%d calls were over the limit that is announced: %s", n-l.throttle[call], call))
		}
	}
}

// attribute says for each row which effects were its own, in order. An effect belongs to the last call before it that asks
// for it. No effect may have done what was so already, or to an account that was not as the plan says.
func (l *life) attribute() map[[2]int64][]organisation.Effect {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[[2]int64][]organisation.Effect{}
	for _, e := range l.org.Effects() {
		l.tale.Effects++
		var of *simCall
		for i := range l.calls {
			c := &l.calls[i]
			if c.account == e.AccountID && c.kind == e.Kind && !c.at.After(e.At.Add(time.Millisecond)) &&
				(c.to == e.To || strings.EqualFold(c.to, e.To)) {
				of = c
			}
		}
		wrong := ""
		switch {
		case of == nil:
			wrong = "nobody was seen to ask for it"
		case strings.EqualFold(e.From, e.To) && !l.shared(*of):
			wrong = "it was so already"
		case e.Kind == "email" && of.from != "" && !strings.EqualFold(e.From, of.from) && !l.strayed(e.AccountID, e.At):
			wrong = "the plan expects " + of.from
		}
		if wrong != "" {
			l.wrong = append(l.wrong, fmt.Sprintf("the change of %s from %q to %q at %s: %s", e.AccountID, e.From, e.To,
				e.At.Sub(l.began), wrong))
		}
		if of != nil {
			key := [2]int64{of.batch, int64(of.row)}
			out[key] = append(out[key], e)
		}
	}
	return out
}

// shared says whether two batches were seen to be about to lock out the person of the call, or to let them in: a leaver must
// not wait, so that neither holds up the other. The caller holds mu.
func (l *life) shared(call simCall) bool { return call.kind != "email" && l.together[call.account] }

// strayed says whether somebody else changed the account in the moments before, which can be too late to be noticed. The
// caller holds mu.
func (l *life) strayed(account string, at time.Time) bool {
	return slices.ContainsFunc(l.strays, func(s simStray) bool {
		return s.account == account && !s.at.After(at.Add(time.Second)) && at.Sub(s.at) < time.Minute
	})
}

// compareRow holds a row against what was done for it.
func (l *life) compareRow(b *workflow.Batch, c workflow.Change, effects []organisation.Effect) {
	l.mu.Lock()
	touched := slices.ContainsFunc(l.strays, func(s simStray) bool { return s.account == c.AccountID })
	touched = touched || c.Action != workflow.Rename && l.together[c.AccountID]
	l.mu.Unlock()
	says := fmt.Sprintf("#%d (%s), line %d is %s (%s) after %d effects", b.Number, b.State, c.Row, c.State, c.Reason.Code,
		len(effects))
	switch c.State {
	case workflow.ChangeDone:
		l.tale.Done++
	case workflow.ChangeFailed:
		l.tale.Failed++
	}
	if !c.State.Ended() && !b.State.Open() {
		l.violated("%s: it has not ended, and its batch has", says)
	}
	last := ""
	if len(effects) > 0 {
		last = effects[len(effects)-1].To
	}
	parked := strings.HasPrefix(last, "countersign-park-")
	done := c.State == workflow.ChangeDone
	stuck := c.Reason.Code == workflow.ReasonStuck
	switch {
	case done && last == "" && !touched:
		l.violated("%s: it is done, and nothing was", says)
	case done && c.Action == workflow.Rename && last != "" && !strings.EqualFold(last, c.NewEmail):
		l.violated("%s: the last effect was %q", says, last)
	case parked && !stuck && !touched:
		l.violated("%s: its account was left at its parking address", says)
	case done, touched, stuck, last == "":
	case c.Action != workflow.Rename || !strings.EqualFold(last, c.OldEmail):
		l.violated("%s: its account was left at %q", says, last)
	}
	if len(effects) > 1 && len(c.Steps) == 1 && !c.Back && !touched && !l.circled(b) {
		l.violated("%s", says)
	}
}

// called says whether a call was seen for a batch.
func (l *life) called(batch int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.calls, func(c simCall) bool { return c.batch == batch })
}

// circled says whether a batch exchanges addresses: then a row may be done and put back.
func (l *life) circled(b *workflow.Batch) bool {
	changes, err := l.db().Changes(context.Background(), b.Number, 0, 0)
	return err != nil || slices.ContainsFunc(changes, func(c workflow.Change) bool { return len(c.Steps) > 1 })
}

// comesFrom says whether a batch is what somebody asked for, and its requester who did.
func (l *life) comesFrom(b *workflow.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wrong := func(format string, args ...any) { l.wrong = append(l.wrong, fmt.Sprintf(format, args...)) }
	var want string
	switch b.Link {
	case workflow.LinkUndo:
		want = "undo"
	case workflow.LinkAgain:
		want = "ask_again"
	case workflow.LinkRecheck:
		want = "check_again"
	case workflow.LinkRetry:
		want = "retry_failed"
	case workflow.LinkRest:
		return // by the clock
	}
	if want != "" {
		if !slices.ContainsFunc(l.clicks, func(c simClick) bool {
			return c.who == b.Requester.ID && c.batch == b.Follows && c.action == want
		}) {
			wrong("#%d was made of #%d for %s, who did not click %s", b.Number, b.Follows, b.Requester.ID, want)
		}
		return
	}
	if b.Source.Kind == workflow.SourceFile {
		f, ok := l.files[b.Source.Message]
		if !ok || f.refused || f.who != b.Requester.ID && f.who != b.Author.ID || b.Rows != f.rows {
			wrong("#%d (%d rows, of %s) is not what was posted: %+v", b.Number, b.Rows, b.Requester.ID, f)
		}
		return
	}
	original, err := l.reader.Original(context.Background(), b.Number)
	if err != nil || !slices.ContainsFunc(l.commands, func(c simCommand) bool {
		return c.who == b.Requester.ID && c.text == string(original)
	}) {
		wrong("#%d of %s is not what was asked: %q, %v", b.Number, b.Requester.ID, original, err)
	}
}

// posted is a message of the service, with the files in it.
type posted struct {
	workspace.Message
	thread string
}

// posts are the messages of the service in the two channels by the keys under which it knows them, and its files in each
// thread by name.
func (l *life) posts() (byKey map[string][]posted, files map[string]map[string][]string) {
	byKey, files = map[string][]posted{}, map[string]map[string][]string{}
	channels := slices.Concat(l.slack.Messages(simRequests, ""), l.slack.Messages(simReports, ""))
	for _, m := range channels {
		for _, r := range l.slack.Thread(m.Channel, m.TS, "") {
			if r.User != workspace.BotUserID {
				continue
			}
			if key := keyOf(r.Metadata); key != "" {
				byKey[key] = append(byKey[key], posted{r, m.TS})
			}
			for _, f := range r.Files {
				if files[m.TS] == nil {
					files[m.TS] = map[string][]string{}
				}
				files[m.TS][f.Name] = append(files[m.TS][f.Name], f.ID)
			}
		}
	}
	return byKey, files
}

// untold lists what people were promised and cannot see.
func (l *life) untold() []string {
	var out []string
	missing := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	byKey, files := l.posts()
	for key, all := range byKey {
		if len(all) > 1 {
			missing("%s was posted %d times", key, len(all))
		}
	}
	for ts, names := range files {
		for name, ids := range names {
			if len(ids) > 1 {
				missing("%s was shared %d times in the thread of %s", name, len(ids), ts)
			}
		}
	}
	batches, err := l.db().List(context.Background(), 0)
	if err != nil {
		return []string{err.Error()}
	}
	for _, b := range batches {
		one := func(name string) (posted, bool) {
			all := byKey[fmt.Sprintf("batch/%d/%s", b.Number, name)]
			if len(all) == 0 {
				missing("#%d (%s): its %s is not there", b.Number, b.State, name)
				return posted{}, false
			}
			return all[0], true
		}
		card, ok := one("card")
		if !ok {
			continue
		}
		if words := simWords(b); !strings.HasSuffix(card.Text, ": "+words) {
			missing("the card of #%d does not say %q: %q", b.Number, words, card.Text)
		}
		for _, each := range buttonsOf(card.Message) {
			if !slices.Contains([]string{"retry_failed", "undo", "ask_again", "check_again"}, each.action) {
				missing("the card of #%d (%s) still has the button %s", b.Number, b.State, each.label)
			}
		}
		share := func(name string, rows int) {
			ids := files[card.TS][name]
			switch {
			case len(ids) > 1:
				missing("%s was shared %d times", name, len(ids))
			case len(ids) == 0 && !l.saidInstead(byKey, b.Number, name):
				missing("%s is not there", name)
			case len(ids) == 1 && rows >= 0:
				out = append(out, l.readBack(b, ids[0], name, rows)...)
			}
		}
		if b.Digest != "" {
			share(fmt.Sprintf("batch-%d-plan.csv", b.Number), -1)
		}
		if b.Emergency {
			if left := l.untoldOfEmergency(b); len(left) > 0 {
				missing("#%d is an emergency, and %v were not told", b.Number, left)
			}
		}
		if b.State == workflow.Empty {
			one("empty")
		}
		if b.Started.IsZero() || b.State != workflow.Done && b.State != workflow.Cancelled {
			continue
		}
		run, name := max(b.Run, 1), fmt.Sprintf("batch-%d-results.csv", b.Number)
		if run > 1 {
			name = fmt.Sprintf("batch-%d-results-%d.csv", b.Number, run)
		}
		share(name, b.Rows)
		if end, ok := one(fmt.Sprintf("end/%d", run)); ok {
			for _, p := range append(b.Approvers(), b.Requester) {
				if !strings.Contains(end.Text, "<@"+p.ID+">") {
					missing("the end of #%d does not call %s: %q", b.Number, p.ID, end.Text)
				}
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for ts, f := range l.files {
		if !slices.ContainsFunc(l.slack.Thread(simRequests, ts, ""), func(m workspace.Message) bool {
			return m.User == workspace.BotUserID
		}) {
			missing("the file that %s posted at %s has no answer", f.who, ts)
		}
	}
	return out
}

// saidInstead says whether words stand where a file should be. They may only where Slack kept losing what it took.
func (l *life) saidInstead(byKey map[string][]posted, number int64, name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lost {
		return false
	}
	for key, all := range byKey {
		if n, _ := keyParts(key); n == number && strings.HasPrefix(all[0].Text, "I cannot put "+name) {
			return true
		}
	}
	return false
}

// simWords are the words with which the card of an ended batch ends.
func simWords(b *workflow.Batch) string {
	switch {
	case b.State == workflow.Empty:
		return "nothing in it can run"
	case b.State == workflow.Cancelled && b.Ending != nil && b.Ending.Reason == "withdrawn":
		return "withdrawn"
	}
	return string(b.State)
}

// readBack compares the results as people have them with the rows of the request: none may be missing, and each must say
// what the database says.
func (l *life) readBack(b *workflow.Batch, id, name string, rows int) []string {
	_, content, _ := l.slack.File(id)
	table, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\uFEFF")))).ReadAll()
	if err != nil || len(table) == 0 {
		return []string{fmt.Sprintf("%s cannot be read: %v", name, err)}
	}
	if len(table)-1 != rows {
		return []string{fmt.Sprintf("%s has %d of %d rows", name, len(table)-1, rows)}
	}
	changes, err := l.db().Changes(context.Background(), b.Number, 0, 0)
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

// settle plays the people who want everything to end, when nothing fails any more.
func (l *life) settle() {
	waiting, quiet := map[string]int{}, 0
	for range 240 {
		if l.over {
			return
		}
		open, err := l.db().List(context.Background(), 0, workflow.Planning, workflow.AwaitingApproval, workflow.Approved,
			workflow.Running, workflow.Paused)
		if err != nil {
			l.violated("list what is open: %v", err)
			return
		}
		if len(open) > 0 {
			quiet = 0
		} else if quiet++; quiet > 4 { // what was missed is looked for first
			return
		}
		cards := l.cards()
		byKey, _ := l.posts()
		for _, b := range open {
			if b.State == workflow.Paused && !b.Cancelling() {
				key := fmt.Sprintf("batch/%d/pause/%d", b.Number, b.Stop.At.UnixMilli())
				if len(byKey[key]) == 0 {
					if waiting[key]++; waiting[key] == 15 {
						l.violated("nobody was told that #%d is paused (%s)", b.Number, b.Stop.Cause)
					}
					continue
				}
			}
			key := fmt.Sprint("moved ", b.Number)
			waiting[key]++
			if err := l.moveOn(b, cards[b.Number], waiting[key]); err != nil {
				l.tell("#%d (%s): %v", b.Number, b.State, err)
			}
		}
		l.pass(20 * time.Second)
	}
	open, _ := l.db().List(context.Background(), 0)
	for _, b := range open {
		if b.State.Open() {
			l.violated("#%d does not end: it is %s (%+v)", b.Number, b.State, b.Stop)
		}
	}
}

// moveOn is whoever may pressing what a batch waits for.
func (l *life) moveOn(b *workflow.Batch, card workspace.Message, tries int) error {
	want := map[workflow.State]string{workflow.AwaitingApproval: "approve", workflow.Paused: "resume"}[b.State]
	if want == "resume" && tries > 10 { // the settings of today may not let it go on
		want = "cancel"
	}
	if want == "" || b.Cancelling() || want == "approve" && l.rng.IntN(4) == 0 {
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
	l.rng.Shuffle(len(may), func(i, j int) { may[i], may[j] = may[j], may[i] })
	n := 1
	if want == "approve" {
		n = b.Approvals
	}
	l.press(card, all[i], may[:min(n, len(may))]...)
	return nil
}

// await gives what was promised the time that it may take.
func (l *life) await() {
	var left []string
	for range 45 {
		if left = l.untold(); len(left) == 0 {
			return
		}
		l.pass(20 * time.Second)
	}
	for _, words := range left {
		l.violated("%s", words)
	}
}
