package view

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// ActionDraft is the button that makes a draft of a request; its value says of what.
const ActionDraft = "draft"

// draftOfReport begins the value of a draft's button under a report; the run's number follows.
const draftOfReport = "report/"

// DraftOf is what a draft's button is under: the run of a report, or a comparison.
type DraftOf struct {
	Run     int64 // 0 where it is a comparison
	Compare int   // its number
	At      time.Time
}

// draftOfCompare begins the value of a draft's button under a comparison; its number and its moment
// follow.
const draftOfCompare = "compare/"

// ParseDraft reads the value of a draft's button.
func ParseDraft(value string) (of DraftOf, ok bool) {
	if digits, found := strings.CutPrefix(value, draftOfReport); found {
		run, err := strconv.ParseInt(digits, 10, 64)
		return DraftOf{Run: run}, err == nil && run > 0
	}
	rest, found := strings.CutPrefix(value, draftOfCompare)
	digits, seconds, _ := strings.Cut(rest, "/")
	number, err := strconv.Atoi(digits)
	unix, wrong := strconv.ParseInt(seconds, 10, 64)
	return DraftOf{Compare: number, At: time.Unix(unix, 0)}, found && err == nil && wrong == nil && number > 0
}

// DraftColumns are those of the file of a draft. It is made to be corrected and sent.
func DraftColumns() []string { return []string{"account_id", "name", "email"} }

// DraftRow is the row of an account in the file of a draft.
func DraftRow(a workflow.Account) []string { return []string{a.ID, a.Name, a.Email} }

// DraftFile names the file of a draft that was made of a report.
func DraftFile(r report.Result) string { return "draft-" + r.FileName }

// ReportList shows the reports with their latest and their next run.
func ReportList(list []report.Status) slackapi.Message {
	if len(list) == 0 {
		return Said("No reports are set up (settings, reports).")
	}
	var out []string
	for i, s := range list {
		if i == reportLines {
			out = append(out, fmt.Sprintf("and %s more", number(len(list)-i)))
			break
		}
		line := fmt.Sprintf("• %s %s", coded(s.Name, tableCell), quoted(string(s.Kind), tableCell))
		if !s.Kind.Supported() {
			out = append(out, line+": not supported yet")
			continue
		}
		if s.Live != nil {
			line += ", " + liveWords(*s.Live)
		}
		if s.Last != nil {
			word := "made"
			if s.Last.Failed {
				word = "failed"
			}
			line += ", last " + word + " " + moment(s.Last.At)
		}
		if !s.Next.IsZero() {
			line += ", next " + moment(s.Next)
		}
		out = append(out, line)
	}
	return Said(strings.Join(out, "\n"))
}

func liveWords(r report.Run) string {
	if r.State == report.RunWaiting && r.Attempts > 0 {
		return "failed (" + quoted(r.Reason, tableCell) + "), tried again " + moment(r.NextTry)
	}
	return "being made"
}

// ReportStarted says that a report is being made, and into which channel it comes.
func ReportStarted(name, channel string) slackapi.Message {
	return Said("`" + escape(name) + "` is being made; it comes to <#" + channel + ">.")
}

// headShown is how many digits of a hash a message shows: 128 bits, too many for anybody to make
// another log that has them.
const headShown = 32

// logHead returns the line that makes a message an anchor of the log outside the database
// (countersign audit verify --head).
func logHead(h report.LogHead) string {
	if h.Seq == 0 {
		return ""
	}
	return fmt.Sprintf("\nLog head: event %d, `%s…`", h.Seq, h.Hash[:min(len(h.Hash), headShown)])
}

// ReportResult returns a result in a few words: headline numbers and what is different from the
// time before, or why it failed; and the head of the log.
func ReportResult(r report.Result) string { return resultWords(r) + logHead(r.Log) }

func resultWords(r report.Result) string {
	head := fmt.Sprintf("*%s* %s", quoted(r.Report, tableCell), quoted(r.Date, tableCell))
	if r.Failed {
		return ":warning: " + head + " could not be made: " + quoted(r.Reason, reasonText) + ". What was recorded before stays."
	}
	var parts []string
	for _, h := range r.Headline() {
		parts = append(parts, counted(h.Number, h.Before, h.One, h.Many))
	}
	text := head + ": " + strings.Join(parts, " · ")
	if r.By != "" {
		text += ", asked for by " + mention(r.By)
	}
	if r.Reason != "" {
		text += "\n:warning: " + quoted(r.Reason, reasonText) + "."
	}
	return text
}

// ReportMessage shows a result in its channel: the numbers, the one thing to look at, a chart and the
// top rows. file is the name of its file, which belongs into the thread; "" where
// there is none.
func ReportMessage(r report.Result, shown report.Message, file, command string, is report.FileState) slackapi.Message {
	notes := reportNotes(shown, is == report.FileThere)
	switch {
	case file == "":
	case is == report.FileThere:
		notes = append(notes, coded(file, tableCell)+" is in the thread.")
	case is == report.FileWaits:
		notes = append(notes, coded(file, tableCell)+" is not in the thread yet: Slack does not take it. I send it when Slack takes it again.")
	default:
		note := coded(file, tableCell) + " is not in the thread: Slack did not take it."
		if r.Snapshot != 0 {
			note += " `" + command + " report show " + escape(r.Report+" "+r.Date) + "` sends it to you."
		}
		notes = append(notes, note)
	}
	return reportMessage(r, shown, notes)
}

// DirectFile is a file that was to be put into somebody's direct messages; without a name there was none.
type DirectFile struct {
	Name string
	Err  error // why it is not there
}

// refused says that Slack keeps a file out, as a sentence; "" where it does not.
func (f DirectFile) refused() string {
	refused, ok := errors.AsType[*slackapi.FileRefusedError](f.Err)
	if !ok {
		return ""
	}
	return "Slack does not take it (" + refused.Why + ")."
}

// words say where the file is.
func (f DirectFile) words() string {
	switch name := coded(f.Name, tableCell); {
	case f.Err == nil:
		return name + " is in your direct messages with me."
	case f.refused() != "":
		return "I could not send you " + name + ": " + f.refused()
	default:
		return "I could not send you " + name + ". Ask again in a minute."
	}
}

// ReportShown is the message of a result for one person who asked for it, with its alarm, which calls
// nobody.
func ReportShown(r report.Result, shown report.Message, file DirectFile) slackapi.Message {
	m := Alarmed(reportMessage(r, shown, reportNotes(shown, file.Name != "" && file.Err == nil)), shown, nil)
	return withFile(m, file)
}

// withFile adds to a private answer what became of its file.
func withFile(m slackapi.Message, file DirectFile) slackapi.Message {
	if file.Name == "" {
		return m
	}
	m.Text += "\n" + file.words()
	m.Blocks = append(slices.Clone(m.Blocks), note("file", file.words()))
	return m
}

func reportMessage(r report.Result, shown report.Message, notes []string) slackapi.Message {
	if shown.Figures != nil {
		r.Figures = shown.Figures
	}
	m := slackapi.Message{Text: ReportResult(r), Blocks: []slack.Block{section("report", resultWords(r))}}
	if look := lookBlock(r, shown); look != nil {
		m.Blocks = append(m.Blocks, look)
	}
	if chart := chartBlock(shown.Chart); chart != nil {
		m.Blocks = append(m.Blocks, chart)
	}
	if t := shown.Table; t != nil && len(t.Rows) > 0 {
		m.Blocks = append(m.Blocks, reportTable(t))
	}
	if head := strings.TrimSpace(logHead(r.Log)); head != "" {
		notes = append(notes, head)
	}
	if len(notes) > 0 {
		m.Blocks = append(m.Blocks, note("notes", strings.Join(notes, "\n")))
	}
	return m
}

// lookBlock is the one thing to look at, with the button to do something about it.
func lookBlock(r report.Result, shown report.Message) slack.Block {
	if shown.Look == "" {
		return nil
	}
	block := slack.NewSectionBlock(mrkdwn(quoted(shown.Look, reasonText), maxSection), nil, nil, slack.SectionBlockOptionBlockID("look"))
	if shown.Draft > 0 {
		draft := button(ActionDraft, "Draft a request", draftOfReport+strconv.FormatInt(r.Run, 10), "", nil)
		block.Accessory = slack.NewAccessory(draft)
	}
	return block
}

// reportNotes are the sentences of less weight; file says that there is a file with all rows.
func reportNotes(shown report.Message, file bool) []string {
	var words []string
	for _, n := range shown.Notes {
		words = append(words, quoted(n, reasonText))
	}
	if t := shown.Table; t != nil && t.Of > len(t.Rows) {
		rows := fmt.Sprintf("%s of %s rows", number(len(t.Rows)), number(t.Of))
		if file {
			rows += "; all of them are in the file"
		}
		words = append(words, rows+".")
	}
	return words
}

// chartBlock has Slack draw the chart; nil where it cannot be drawn within Slack's limits, as two names
// that are the same when they are cut.
func chartBlock(c *report.Chart) slack.Block {
	if !c.Valid() {
		return nil
	}
	label := func(s string) string { return oneLine(s, report.ChartLabel) }
	axis := slack.DataVisualizationAxisConfig{}
	for _, category := range c.Categories {
		axis.Categories = append(axis.Categories, label(category))
	}
	var series []slack.DataVisualizationDataSeries
	for _, s := range c.Series {
		one := slack.DataVisualizationDataSeries{Name: label(s.Name)}
		for i, v := range s.Values {
			one.Data = append(one.Data, slack.NewDataVisualizationDataPoint(axis.Categories[i], v))
		}
		series = append(series, one)
	}
	var drawn slack.DataVisualizationChart = slack.NewDataVisualizationBarChart(axis, series...)
	if c.Kind == report.Lines {
		drawn = slack.NewDataVisualizationLineChart(axis, series...)
	}
	block := slack.NewDataVisualizationBlock(oneLine(c.Title, report.ChartTitle), drawn,
		slack.DataVisualizationBlockOptionBlockID("chart"))
	if block.Validate() != nil {
		return nil
	}
	return block
}

// reportPage is how many rows of a report are seen at once.
const reportPage = 10

// reportTable shows the top rows of a report; every cell is data and can do nothing (raw_text). Slack
// sorts columns of numbers as such.
func reportTable(t *report.Table) slack.Block {
	block := slack.NewDataTableBlock(cmp.Or(t.Caption, "Rows"))
	block.BlockID = "rows"
	block.WithPageSize(max(1, min(len(t.Rows), reportPage)))
	header := make([]slack.DataTableCell, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = slack.NewDataTableRawTextCell(c.Name)
	}
	block.AddRow(header...)
	for _, row := range t.Rows {
		cells := make([]slack.DataTableCell, len(row))
		for i, text := range row {
			cells[i] = dataCell(oneLine(text, tableCell), t.Columns[i].Number)
		}
		block.AddRow(cells...)
	}
	return block
}

func dataCell(text string, isNumber bool) slack.DataTableCell {
	if n, err := strconv.ParseFloat(text, 64); isNumber && err == nil {
		return slack.NewDataTableRawNumberCell(n).WithText(text)
	}
	return slack.NewDataTableRawTextCell(cmp.Or(text, "–")) // Slack has refused empty cells
}

// counted returns a number and its difference from the time before, where there is one.
func counted(n, before int, one, more string) string {
	text := "*" + number(n) + "* "
	if n == 1 {
		text += one
	} else {
		text += more
	}
	switch {
	case n > before:
		text += " (+" + number(n-before) + ")"
	case n < before:
		text += " (−" + number(before-n) + ")"
	}
	return text
}

// ReportClosed tells an admin that a report cannot be posted, as its channel is closed to us.
func ReportClosed(r report.Result, channel, code string) slackapi.Message {
	do := "Let me post there in the settings of the channel"
	switch code {
	case "not_in_channel", "channel_not_found":
		do = "Invite me there with `/invite`"
	case "is_archived":
		do = "Unarchive the channel"
	}
	return Said(fmt.Sprintf(":warning: I cannot post %s of %s in <#%s> (%s). %s, or name another channel in the settings of countersign. I post it as soon as I can.",
		coded(r.Report, tableCell), quoted(r.Date, tableCell), channel, code, do))
}
