package view

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// Slack's limits on Block Kit and messages (docs.slack.dev/reference/block-kit), in letters unless
// said otherwise.
const (
	maxBlocks    = 50
	maxBlockText = 10_000 // over all blocks of a message; Slack refuses about 13,200 (msg_blocks_too_long)

	maxHeader       = 150
	maxSection      = 3_000
	maxContext      = 2_000
	maxButtonText   = 75
	maxButtonValue  = 2_000
	maxConfirmTitle = 100
	maxConfirmText  = 300
	maxConfirmLabel = 30
	maxOptionText   = 75
	maxOptionValue  = 150
	maxPlaceholder  = 150
	maxViewTitle    = 24
	maxLabel        = 2_000
	maxInput        = 3_000
	maxMetadata     = 3_000
	maxBlockID      = 255
)

// Our own limits, which keep a card readable and its sum below maxBlockText.
const (
	TableRows   = 5 // changes shown on a card, without the header row
	FailedRows  = 5 // failures that it names
	tableCell   = 60
	causesShown = 8
	causeText   = 160
	reasonText  = 500
	cardCell    = 120
	messageText = 300   // of a message that people get, where there are several
	mostQuoted  = 1_500 // of one that is shown whole, as Slack gets it
	listText    = 500   // of the groups, products or sites that a card names
	linesShown  = 20    // entries of a list in an answer
	lineText    = 250
	RowsShown   = 20 // row numbers named in a sentence
	AdminsShown = 10
	reportLines = 12
	domainLines = 30
)

// escape makes text from people and files harmless in mrkdwn: it can neither mention anybody nor
// make a link (formatting messages: & < > are the three letters that Slack asks to escape).
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// formatting is what Slack would draw in another way than it was written: marks at the edge of a
// word, code, emoji (formatting messages, mrkdwn). There is no way to escape these, so text that
// has any is shown as code, where they mean nothing.
var formatting = regexp.MustCompile("`|(?:^|[^\\pL\\pN])[*_~]\\S|:[a-z0-9_+'-]+:")

// quoted returns text from people: on one line, with invisible characters spelled out, cut and
// harmless.
func quoted(s string, limit int) string {
	s = oneLine(s, limit)
	if formatting.MatchString(s) {
		return code(s)
	}
	return escape(s)
}

// quotedWithin is quoted, with as much of the text as fits into so many letters once it is harmless.
// cut reports whether that is not the whole.
func quotedWithin(s string, limit int) (text string, cut bool) {
	for n := limit; ; n = n * 3 / 4 {
		if text = quoted(s, n); n < 2 || utf8.RuneCountInString(text) <= limit {
			return text, isCut(s, n)
		}
	}
}

// coded is quoted, always as code.
func coded(s string, limit int) string { return code(oneLine(s, limit)) }

func code(s string) string { return "`" + escape(strings.ReplaceAll(s, "`", "'")) + "`" }

// oneLine returns text from people without line breaks, and with what cannot be seen spelled out.
func oneLine(s string, limit int) string {
	return slackapi.Clip(strings.Join(strings.Fields(workflow.EscapeInvisible(s)), " "), limit)
}

// isCut reports whether a text is longer than that on one line.
func isCut(s string, limit int) bool {
	whole := oneLine(s, math.MaxInt)
	return slackapi.Clip(whole, limit) != whole
}

// mrkdwn returns a text object whose only links and mentions are those that we wrote (verbatim).
func mrkdwn(s string, limit int) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, clipMrkdwn(s, limit), false, true)
}

// unfinished is what a cut leaves at the end of a text of a link, a mention, an escaped letter or a code, which Slack would show
// as it is written.
var unfinished = regexp.MustCompile("<[^>\n]*$|&[a-z]*$")

// clipMrkdwn cuts a text to a number of letters, and nothing that Slack reads as one in two.
func clipMrkdwn(s string, limit int) string {
	cut := slackapi.Clip(s, limit)
	if cut == s {
		return s
	}
	cut = unfinished.ReplaceAllString(strings.TrimSuffix(cut, "…"), "")
	last := cut[strings.LastIndex(cut, "\n")+1:]
	if strings.Count(last, "`")%2 == 1 {
		cut = cut[:strings.LastIndex(cut, "`")]
	}
	return strings.TrimRight(cut, " \n") + "…"
}

// paragraphs shows lines in as many sections as they need, each line whole. The first has the id, the
// others the id and their number.
func paragraphs(id, text string) (blocks []slack.Block) {
	var part []string
	letters := 0
	end := func() {
		name := id
		if len(blocks) > 0 {
			name += "-" + strconv.Itoa(len(blocks)+1)
		}
		blocks = append(blocks, section(name, strings.Join(part, "\n")))
		part, letters = nil, 0
	}
	for line := range strings.SplitSeq(text, "\n") {
		n := utf8.RuneCountInString(line) + 1
		if len(part) > 0 && letters+n > maxSection {
			end()
		}
		part, letters = append(part, line), letters+n
	}
	end()
	return blocks
}

func plain(s string, limit int) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, slackapi.Clip(s, limit), false, false)
}

func section(id, text string) slack.Block {
	return slack.NewSectionBlock(mrkdwn(text, maxSection), nil, nil, slack.SectionBlockOptionBlockID(id))
}

// plainSection shows text from people whole, with its line breaks; nothing in it is read as mrkdwn.
func plainSection(id, text string) slack.Block {
	return slack.NewSectionBlock(plain(workflow.EscapeInvisible(text), maxSection), nil, nil, slack.SectionBlockOptionBlockID(id))
}

func note(id, text string) slack.Block {
	return slack.NewContextBlock(id, mrkdwn(text, maxContext))
}

func header(id, text string) slack.Block {
	return slack.NewHeaderBlock(plain(text, maxHeader), slack.HeaderBlockOptionBlockID(id))
}

// Said returns a message of a text, for answers.
func Said(text string) slackapi.Message {
	return slackapi.Message{Text: text, Blocks: paragraphs("said", text)}
}

// button makes a button; confirm is nil where a click is enough.
func button(
	action, label, value string, style slack.Style, confirm *slack.ConfirmationBlockObject,
) *slack.ButtonBlockElement {
	b := slack.NewButtonBlockElement(action, value, plain(label, maxButtonText))
	b.Style = style
	b.Confirm = confirm
	return b
}

func confirm(title, text, yes string) *slack.ConfirmationBlockObject {
	return slack.NewConfirmationBlockObject(
		plain(title, maxConfirmTitle), plain(text, maxConfirmText), plain(yes, maxConfirmLabel), plain("Not now", maxConfirmLabel))
}

// mention names a person in Slack; a user group's id begins with S.
func mention(id string) string {
	if strings.HasPrefix(id, "S") {
		return "<!subteam^" + id + ">"
	}
	return "<@" + id + ">"
}

func mentions(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = mention(id)
	}
	return strings.Join(out, " ")
}

// list joins as a sentence does: a, b and c.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// moment returns a time that each reader sees in their own zone; those who cannot see it in UTC.
func moment(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04 UTC"))
}

// clock is a moment soon, to the second.
func clock(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{time_secs}|%s>", t.Unix(), t.UTC().Format("15:04:05 UTC"))
}

// fingerprint returns what a message says, in a few letters.
func fingerprint(m slackapi.Message) string {
	raw, err := json.Marshal(m.Blocks)
	if err != nil { // blocks are plain data: cannot fail
		return "blocks"
	}
	sum := sha256.Sum256(append(raw, m.Text...))
	return hex.EncodeToString(sum[:6])
}

// number writes n with its thousands apart.
func number(n int) string { return workflow.Number(n) }

// many returns n with its noun in the right number.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + more
}

// plural returns a word in the right number.
func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// lines names rows in a sentence, cut after rowsShown.
func lines(rows []int) string {
	out := make([]string, 0, RowsShown+1)
	for i, row := range rows {
		if i == RowsShown {
			out = append(out, number(len(rows)-i)+" more")
			break
		}
		out = append(out, strconv.Itoa(row))
	}
	return list(out)
}

// table shows rows of plain text; every cell is data and can do nothing (raw_text).
func table(id string, rows [][]string) slack.Block {
	t := slack.NewTableBlock(id)
	for _, row := range rows {
		cells := make([]slack.TableCell, len(row))
		for i, cell := range row {
			cell = oneLine(cell, cardCell)
			if cell == "" {
				cell = "–" // Slack has refused empty cells
			}
			cells[i] = slack.NewTableRawTextCell(cell)
		}
		t.AddRow(cells...)
	}
	return t
}
