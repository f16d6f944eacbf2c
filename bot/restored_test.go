package bot_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// past is a database's memory: numbers up to last, of which skipped are of no batch; posts by key; a log.
type past struct {
	last    int64
	skipped map[int64]bool
	knows   int64 // the revision of every batch
	posts   map[string]workflow.Post
	hashes  []string // of the events, from 1
	said    []byte
}

func (p past) LastNumber(context.Context) (int64, error) { return p.last, nil }

func (p past) HasEvent(_ context.Context, seq int64, hash string) (bool, int64, error) {
	last := int64(len(p.hashes))
	return seq >= 1 && seq <= last && strings.HasPrefix(p.hashes[seq-1], hash), last, nil
}

func (p past) Post(_ context.Context, key string) (workflow.Post, bool, error) {
	post, ok := p.posts[key]
	return post, ok, nil
}

func (p past) Batch(_ context.Context, number int64) (*workflow.Batch, error) {
	if number > p.last || p.skipped[number] {
		return nil, workflow.ErrNoBatch
	}
	return &workflow.Batch{Number: number, Revision: p.knows}, nil
}

func (p past) Recall(context.Context, string) ([]byte, error) { return p.said, nil }

// growing is a past whose numbers go on to last while Slack is asked.
type growing struct {
	past
	asked *int
}

func (g growing) LastNumber(ctx context.Context) (int64, error) {
	if *g.asked++; *g.asked == 1 {
		return 0, nil
	}
	return g.past.LastNumber(ctx)
}

// What Slack shows is held against what the database knows: only what we posted ourselves counts, and what is as it should
// be is nothing.
func TestRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	slack := w.workspace()
	client := slackapi.New(slackapi.Config{
		Token: workspace.DefaultBotToken, URL: w.url + "/api/", Pace: slackapi.Pace{Post: time.Millisecond, Unmetered: true},
		Log: zerolog.Nop(),
	})
	const reports = "C0OTHER"
	post := func(channel, key, text string) string {
		t.Helper()
		m := view.Said(text)
		m.Revision = 3
		ts, err := client.Post(t.Context(), channel, "", key, m, slackapi.RankSaid)
		if err != nil {
			t.Fatal(err)
		}
		return ts
	}
	look := func(p past) view.Restored {
		t.Helper()
		found, err := slack.Restored(t.Context(), p, requests, reports)
		if err != nil {
			t.Fatal(err)
		}
		found.Last = 0
		return found
	}
	card := func(ts string, sending time.Time) map[string]workflow.Post {
		return map[string]workflow.Post{"batch/7/card": {Key: "batch/7/card", TS: ts, Sending: sending}}
	}
	hash := func(first string) string { return first + strings.Repeat("0", 64-len(first)) }
	head := strings.Repeat("ab", 16)
	other := []string{hash(head), hash("cd")}

	if found := look(past{}); !found.Nothing() {
		t.Errorf("in empty channels: %+v", found)
	}
	if _, err := w.slack.Say(t.Context(), "U0DAVE", reports, "", "Log head: event 99, `"+head+"…`"); err != nil {
		t.Fatal(err)
	}
	post(requests, "batch/99999999999/card", "no number of ours")
	post(requests, "batch/12/end/1", "of a thread")
	ts := post(requests, "batch/7/card", "#7 waits")
	post(reports, "report/1", "the first night\nLog head: event 1, `"+head+"…`")
	post(reports, "report/2", "the second night\nLog head: event 2, `"+head+"…`")
	known := []string{hash(head), hash(head)}
	posted := card(ts, time.Time{})
	for name, test := range map[string]struct {
		past past
		want view.Restored
	}{
		"all is known":             {past{last: 7, knows: 3, posts: posted, hashes: known}, view.Restored{}},
		"more is known":            {past{last: 9, knows: 4, posts: posted, hashes: append(known, hash("cd"))}, view.Restored{}},
		"the card shows more":      {past{last: 7, knows: 2, posts: posted, hashes: known}, view.Restored{Newer: []int64{7}}},
		"the number is above ours": {past{last: 6, hashes: known}, view.Restored{Number: 7}},
		"an empty database":        {past{}, view.Restored{Number: 7, Event: 2}},
		"a card is forgotten":      {past{last: 7, knows: 3, hashes: known}, view.Restored{Forgotten: 7}},
		"an older card is known":   {past{last: 7, knows: 3, posts: card("1.000000", time.Time{}), hashes: known}, view.Restored{Forgotten: 7}},
		"the card is being sent":   {past{last: 7, knows: 3, posts: card("", time.Now()), hashes: known}, view.Restored{}},
		"the number was skipped":   {past{last: 7, skipped: map[int64]bool{7: true}, hashes: known}, view.Restored{}},
		"the log is shorter":       {past{last: 7, knows: 3, posts: posted, hashes: known[:1]}, view.Restored{Event: 2, Events: 1}},
		"the log is another":       {past{last: 7, knows: 3, posts: posted, hashes: other}, view.Restored{Event: 2, Events: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, look(test.past)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	// Slack held the channel back for so long that requests were taken without, and their cards stand.
	taken := growing{past{last: 7, knows: 3, posts: posted, hashes: known}, new(int)}
	if found, err := slack.Restored(t.Context(), taken, requests, reports); err != nil || !found.Nothing() {
		t.Errorf("after a request that was taken meanwhile: %+v, %v", found, err)
	}
	raw, err := json.Marshal(view.Restored{Number: 7, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	said, err := bot.RestoredBefore(t.Context(), past{said: raw})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		found view.Restored
		same  bool
	}{{view.Restored{Number: 7}, true}, {view.Restored{Number: 8}, false}, {view.Restored{Newer: []int64{5}}, false}} {
		if test.found.Same(said) != test.same {
			t.Errorf("%+v was said before: %t", test.found, !test.same)
		}
	}
}
