package slackapi

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// What a surface bears (docs.slack.dev/reference/block-kit; the sum of letters and the number of
// charts were measured). It is counted before anything is sent, as Slack refuses the whole.
const (
	maxMessageBlocks = 50
	maxViewBlocks    = 100
	maxTables        = 1
	maxCharts        = 2
	maxCellLetters   = 10_000 // over all cells
	maxLetters       = 13_000 // over all blocks of a message; refused from about 13,200 (msg_blocks_too_long)
	maxSectionText   = 3_000
)

// fit brings blocks within what a surface bears: a second table becomes text, a third chart goes,
// then rows from the end of the table, then from the end what can be done without. What can be
// pressed and the first block stay.
func fit(on Surface, blocks []slack.Block) []slack.Block {
	most := maxViewBlocks
	if on == OnMessage {
		most = maxMessageBlocks
	}
	var out []slack.Block
	tables, charts := 0, 0
	for _, b := range blocks {
		switch b := b.(type) {
		case *slack.TableBlock, *slack.DataTableBlock:
			if tables++; tables > maxTables {
				out = append(out, plainer(tierText, []slack.Block{b})...)
				continue
			}
		case *slack.DataVisualizationBlock:
			if charts++; charts > maxCharts {
				continue
			}
		}
		out = append(out, b)
	}
	for i, b := range out {
		out[i] = shortTable(b, func(rows slack.Block) bool {
			return letters(rows) <= maxCellLetters
		})
	}
	tooMuch := func() bool { return len(out) > most || on == OnMessage && lettersOf(out) > maxLetters }
	for i := len(out) - 1; i > 0 && tooMuch(); i-- {
		switch out[i].(type) {
		case *slack.ActionBlock, *slack.InputBlock:
		default:
			out = append(out[:i:i], out[i+1:]...)
		}
	}
	return out
}

// shortTable cuts rows from the end of a table until it fits; its head and one row stay. Other blocks
// stay as they are.
func shortTable(b slack.Block, fits func(slack.Block) bool) slack.Block {
	const least = 2
	switch b := b.(type) {
	case *slack.TableBlock:
		for short := *b; ; short.Rows = short.Rows[:len(short.Rows)-1] {
			if fits(&short) || len(short.Rows) <= least {
				return &short
			}
		}
	case *slack.DataTableBlock:
		for short := *b; ; short.Rows = short.Rows[:len(short.Rows)-1] {
			if fits(&short) || len(short.Rows) <= least {
				return &short
			}
		}
	}
	return b
}

func lettersOf(blocks []slack.Block) (n int) {
	for _, b := range blocks {
		n += letters(b)
	}
	return n
}

// letters counts what can be read of a block.
func letters(b slack.Block) int {
	raw, err := json.Marshal(b)
	if err != nil {
		return 0
	}
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return 0
	}
	return lettersIn(value)
}

func lettersIn(value any) (n int) {
	switch value := value.(type) {
	case []any:
		for _, each := range value {
			n += lettersIn(each)
		}
	case map[string]any:
		for key, each := range value {
			switch text, is := each.(string); {
			case !is:
				n += lettersIn(each)
			case key == "text", key == "title", key == "label", key == "caption", key == "name":
				n += utf8.RuneCountInString(text)
			}
		}
	}
	return n
}
