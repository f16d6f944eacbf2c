package slackapi_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/sandbox/memnet"
	"github.com/countersign/countersign/sandbox/workspace"
)

// notes is a Memory.
type notes struct{ kept sync.Map }

func (n *notes) Remember(_ context.Context, name string, value []byte) error {
	n.kept.Store(name, value)
	return nil
}

func (n *notes) Recall(_ context.Context, name string) ([]byte, error) {
	if value, ok := n.kept.Load(name); ok {
		return value.([]byte), nil
	}
	return nil, nil
}

// report is a message with a block of every kind that a workspace may refuse.
func report() slackapi.Message {
	chart := slack.NewDataVisualizationBlock("Accounts", slack.NewDataVisualizationBarChart(
		slack.NewDataVisualizationAxisConfig("Mon", "Tue"),
		slack.NewDataVisualizationDataSeries("active", slack.NewDataVisualizationDataPoint("Mon", 3), slack.NewDataVisualizationDataPoint("Tue", 4))))
	data := slack.NewDataTableBlock("Rows")
	for _, row := range [][]string{{"person", "to"}, {"<!channel> Ann", "ann@new.example"}} {
		var cells []slack.DataTableCell
		for _, cell := range row {
			cells = append(cells, slack.NewDataTableRawTextCell(cell))
		}
		data.AddRow(cells...)
	}
	press := slack.NewActionBlock("press", slack.NewButtonBlockElement("go", "1", slack.NewTextBlockObject("plain_text", "Go", false, false)))
	return slackapi.Message{Text: "report", Blocks: []slack.Block{chart, data, press}}
}

// served is a workspace with one channel, and the way to it.
func served(t *testing.T) (*workspace.Workspace, *http.Transport) {
	t.Helper()
	w, err := workspace.New(workspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w.SetBaseURL("http://slack.test")
	w.AddChannel(workspace.Channel{ID: "C1", Name: "c", BotMember: true})
	w.AddPerson(workspace.Person{ID: "U0ALICE", Name: "alice"})
	w.SetFaults(workspace.Faults{NoLimits: true})
	server := memnet.Serve(w.Handler())
	transport := server.Transport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		w.Close()
	})
	return w, transport
}

// A workspace that refuses a kind of block gets the next plainer tier, on that surface alone; it is
// remembered over a restart, and the richer one is tried again after a day or by a new version.
func TestTiers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, transport := served(t)
		memory := &notes{}
		start := func(version string) *slackapi.Client {
			c := slackapi.New(slackapi.Config{
				Token: workspace.DefaultBotToken, URL: "http://slack.test/api/", HTTP: &http.Client{Transport: transport},
				Memory: memory, Version: version, Pace: slackapi.Pace{Unmetered: true}, Log: zerolog.Nop(),
			})
			if _, err := c.Self(t.Context()); err != nil {
				t.Fatal(err)
			}
			return c
		}
		calls := func(method string) (n int) {
			for _, c := range w.Calls() {
				if c.Method == method {
					n++
				}
			}
			return n
		}
		c := start("v1")
		refuse := func(kinds ...string) { w.SetFaults(workspace.Faults{RefusedBlocks: kinds, NoLimits: true}) }
		// sent posts the report, and returns what stands there and how many calls it took.
		sent := func() (kinds string, tries int) {
			t.Helper()
			before := calls("chat.postMessage")
			ts, err := c.PostNow(t.Context(), "C1", "", "", report())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range w.Messages("C1", "") {
				if m.TS == ts {
					kinds = kindsOf(string(m.Blocks))
				}
			}
			return kinds, calls("chat.postMessage") - before
		}
		const rich, table, text = "data_visualization data_table actions", "section table actions", "section section actions"
		for _, step := range []struct {
			what    string
			do      func()
			refused []string
			kinds   string
			tries   int
		}{
			{"all is taken", func() {}, nil, rich, 1},
			{"charts are refused", func() {}, []string{"data_visualization"}, table, 2},
			{"and that is remembered", func() {}, []string{"data_visualization"}, table, 1},
			{"also over a restart", func() { c = start("v1") }, []string{"data_visualization"}, table, 1},
			{"tables are refused, too", func() {}, []string{"data_visualization", "table", "data_table"}, text, 2},
			{"for a day", func() { time.Sleep(23 * time.Hour) }, nil, text, 1},
			{"then rich is tried", func() { time.Sleep(time.Hour) }, []string{"data_table"}, table, 2},
			{"by a new version, too", func() { c = start("v2") }, nil, rich, 1},
			{"and what it found out counts", func() {}, nil, rich, 1},
		} {
			step.do()
			refuse(step.refused...)
			if kinds, tries := sent(); kinds != step.kinds || tries != step.tries {
				t.Errorf("%s: %q with %d calls, want %q with %d", step.what, kinds, tries, step.kinds, step.tries)
			}
		}
		refuse("table", "data_table", "data_visualization")
		sent()
		refuse()
		if err := c.PublishHome(t.Context(), "U0ALICE", slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: report().Blocks}}); err != nil {
			t.Errorf("another surface: %v", err)
		}
	})
}

// kindsOf lists the types of blocks.
func kindsOf(raw string) string {
	var kinds []string
	for _, part := range strings.Split(raw, `"type":"`)[1:] {
		kind, _, _ := strings.Cut(part, `"`)
		if slices.Contains([]string{"data_visualization", "data_table", "table", "actions", "section", "context"}, kind) {
			kinds = append(kinds, kind)
		}
	}
	return strings.Join(kinds, " ")
}

// What a message cannot bear is cut before it is sent, and what can be pressed stays.
func TestFit(t *testing.T) {
	t.Parallel()
	press := slack.NewActionBlock("press", slack.NewButtonBlockElement("go", "1", slack.NewTextBlockObject("plain_text", "Go", false, false)))
	section := func(text string) slack.Block {
		return slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", text, false, false), nil, nil)
	}
	table := func(rows int, cell string) slack.Block {
		table := slack.NewTableBlock("")
		for range rows {
			table.AddRow(slack.NewTableRawTextCell(cell))
		}
		return table
	}
	for name, blocks := range map[string][]slack.Block{
		"two tables":        {table(2, "a"), table(2, "b"), press},
		"a table too long":  {table(100, strings.Repeat("ä", 200)), press},
		"51 blocks":         append(slices.Repeat([]slack.Block{section("x")}, 50), press),
		"14,000 letters":    append(slices.Repeat([]slack.Block{section(strings.Repeat("x", 2800))}, 5), press),
		"a table and words": append([]slack.Block{table(100, strings.Repeat("x", 99))}, append(slices.Repeat([]slack.Block{section(strings.Repeat("x", 2800))}, 3), press)...),
	} {
		w, transport := served(t)
		c := slackapi.New(slackapi.Config{
			Token: workspace.DefaultBotToken, URL: "http://slack.test/api/", HTTP: &http.Client{Transport: transport},
			Pace: slackapi.Pace{Unmetered: true}, Log: zerolog.Nop(),
		})
		if _, err := c.PostNow(t.Context(), "C1", "", "", slackapi.Message{Text: "t", Blocks: blocks}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if m := w.Messages("C1", ""); len(m) != 1 || !strings.HasSuffix(kindsOf(string(m[0].Blocks)), "actions") {
			t.Errorf("%s: what can be pressed does not stand there", name)
		}
		if n := len(w.Calls()); n != 1 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
}

// answering is a Slack that answers each call of a method as fn says; what it was asked is kept.
type answering struct {
	fn    func(n int, form url.Values) (code string)
	calls []url.Values
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	form := r.Form
	if raw, err := io.ReadAll(r.Body); err == nil && len(raw) > 0 { // views are sent as JSON
		form = url.Values{"view": {string(raw)}}
	}
	a.calls = append(a.calls, form)
	body := `{"ok":true,"channel":"C1","ts":"1.2","view":{"id":"V1"}}`
	if code := a.fn(len(a.calls), form); code != "" {
		body = `{"ok":false,"error":"` + code + `"}`
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (a *answering) client() *slackapi.Client {
	return slackapi.New(slackapi.Config{
		Token: workspace.DefaultBotToken, URL: "http://slack.test/api/", HTTP: &http.Client{Transport: a},
		Memory: &notes{}, Pace: slackapi.Pace{Unmetered: true}, Log: zerolog.Nop(),
	})
}

// A trigger opens one modal. Where the form that was refused has spent it, the next press opens the
// plainer one at once; a trigger that came to nothing by itself changes nothing.
func TestASpentTriggerDoesNotLockAModal(t *testing.T) {
	t.Parallel()
	modal := slack.ModalViewRequest{Type: slack.VTModal, Blocks: slack.Blocks{BlockSet: report().Blocks}}
	rich := func(form url.Values) bool { return strings.Contains(form.Get("view"), "data_table") }
	for _, code := range []string{"exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id"} {
		spent := &answering{fn: func(n int, form url.Values) string {
			switch {
			case rich(form):
				return "invalid_arguments"
			case n == 2:
				return code
			}
			return ""
		}}
		c := spent.client()
		if _, err := c.OpenView(t.Context(), "T1", modal); slackapi.Code(err) != code {
			t.Errorf("%s: %v", code, err)
		}
		if _, err := c.OpenView(t.Context(), "T2", modal); err != nil || len(spent.calls) != 3 {
			t.Errorf("%s: the second press: %v, %d calls", code, err, len(spent.calls))
		}
		late := &answering{fn: func(n int, _ url.Values) string {
			if n == 1 {
				return code
			}
			return ""
		}}
		c = late.client()
		if _, err := c.OpenView(t.Context(), "T1", modal); slackapi.Code(err) != code || len(late.calls) != 1 {
			t.Errorf("%s alone: %v, %d calls", code, err, len(late.calls))
		}
		if _, err := c.OpenView(t.Context(), "T2", modal); err != nil || !rich(late.calls[1]) {
			t.Errorf("%s alone: the next press: %v", code, err)
		}
	}
}

// A message never fails for its blocks: where each form is refused, its text goes alone, and the next
// message is drawn as before.
func TestAMessageNeverFailsForItsBlocks(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long"} {
		refusing := true
		a := &answering{fn: func(_ int, form url.Values) string {
			if blocks := form.Get("blocks"); refusing && blocks != "" && blocks != "[]" {
				return code
			}
			return ""
		}}
		c := a.client()
		for name, send := range map[string]func() error{
			"post": func() error {
				_, err := c.PostNow(t.Context(), "C1", "", "", report())
				return err
			},
			"update": func() error { return c.Update(t.Context(), "C1", "1.2", "key", report()) },
		} {
			refusing = true
			err := send()
			if last := a.calls[len(a.calls)-1]; err != nil || last.Get("text") != "report" || last.Get("blocks") != "[]" {
				t.Errorf("%s, %s: %v, sent %v", name, code, err, last)
			}
			refusing = false
			if err := send(); err != nil || !strings.Contains(a.calls[len(a.calls)-1].Get("blocks"), "data_table") {
				t.Errorf("%s after %s: %v", name, code, err)
			}
		}
		if refusing = true; !c.Private(t.Context(), slackapi.Recipient{Person: "U1", Channel: "C1"}, report()) {
			t.Errorf("%s: an answer is lost", code)
		}
	}
}
