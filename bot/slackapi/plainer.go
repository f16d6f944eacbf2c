package slackapi

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// rowsTogether is how many rows of a table one section shows where a surface takes no table.
const rowsTogether = 10

// plainer draws blocks again for a tier. What they say stays, as far as words can say it; so does
// what can be pressed, but for buttons in the cells of a table.
func plainer(t tier, blocks []slack.Block) []slack.Block {
	if t == tierRich {
		return blocks
	}
	var out []slack.Block
	for _, b := range blocks {
		switch b := b.(type) {
		case *slack.DataTableBlock:
			out = append(out, plainer(t, []slack.Block{tableOf(b)})...)
		case *slack.TableBlock:
			if t == tierTable {
				out = append(out, b)
				continue
			}
			out = append(out, textOf(b)...)
		case *slack.DataVisualizationBlock:
			out = append(out, plainSection(b.BlockID, chartWords(b)))
		case *slack.ContainerBlock:
			if b.Title != nil {
				out = append(out, plainSection(b.BlockID, b.Title.Text))
			}
			out = append(out, plainer(t, b.ChildBlocks.BlockSet)...)
		case *slack.LayoutBlock:
			out = append(out, plainer(t, itemsOf(b))...)
		case *slack.AlertBlock:
			out = append(out, slack.NewSectionBlock(b.Text, nil, nil, slack.SectionBlockOptionBlockID(b.BlockID)))
		default:
			out = append(out, simple(t, b)...)
		}
	}
	return out
}

// simple keeps the kinds of blocks that every workspace takes; in tierText notes become sections, and
// of the others nothing stays.
func simple(t tier, b slack.Block) []slack.Block {
	if t == tierTable {
		return []slack.Block{b}
	}
	switch b := b.(type) {
	case *slack.HeaderBlock, *slack.SectionBlock, *slack.ActionBlock, *slack.InputBlock, *slack.DividerBlock:
		return []slack.Block{b}
	case *slack.ContextBlock:
		var out []slack.Block
		for i, e := range b.ContextElements.Elements {
			if text, is := e.(*slack.TextBlockObject); is {
				out = append(out, slack.NewSectionBlock(text, nil, nil, slack.SectionBlockOptionBlockID(numbered(b.BlockID, i))))
			}
		}
		return out
	}
	return nil
}

// tableOf is a data table as a table.
func tableOf(b *slack.DataTableBlock) *slack.TableBlock {
	t := slack.NewTableBlock(b.BlockID)
	for _, row := range b.Rows {
		cells := make([]slack.TableCell, len(row))
		for i, cell := range row {
			cells[i] = slack.NewTableRawTextCell(wordsOfCell(cell))
		}
		t.AddRow(cells...)
	}
	return t
}

func wordsOfCell(cell slack.DataTableCell) string {
	switch cell := cell.(type) {
	case *slack.DataTableRawTextCell:
		return cell.Text
	case *slack.DataTableRawNumberCell:
		if cell.Text != "" {
			return cell.Text
		}
		return strconv.FormatFloat(cell.Value, 'f', -1, 64)
	case *slack.DataTableActionCell:
		if cell.Fallback != nil {
			return wordsOfCell(cell.Fallback)
		}
	case *slack.DataTableRichTextCell:
		return richWords(cell.Elements)
	}
	return "–"
}

func richWords(elements []slack.RichTextElement) string {
	var words strings.Builder
	for _, e := range elements {
		section, is := e.(*slack.RichTextSection)
		if !is {
			continue
		}
		for _, part := range section.Elements {
			switch part := part.(type) {
			case *slack.RichTextSectionTextElement:
				words.WriteString(part.Text)
			case *slack.RichTextSectionLinkElement:
				words.WriteString(part.Text)
			}
		}
	}
	if words.Len() == 0 {
		return "–"
	}
	return words.String()
}

// textOf is a table as lines of text, ten rows a section, or as many as it takes whole. Its cells are
// data: they are plain text.
func textOf(b *slack.TableBlock) []slack.Block {
	var out []slack.Block
	var lines []string
	letters := 0
	end := func() {
		if len(lines) > 0 {
			out = append(out, plainSection(numbered(b.BlockID, len(out)), strings.Join(lines, "\n")))
		}
		lines, letters = nil, 0
	}
	for _, row := range b.Rows {
		words := make([]string, len(row))
		for i, cell := range row {
			switch cell := cell.(type) {
			case *slack.TableRawTextCell:
				words[i] = cell.Text
			case *slack.TableRawNumberCell:
				words[i] = strconv.FormatFloat(cell.Value, 'f', -1, 64)
			case *slack.TableRichTextCell:
				words[i] = richWords(cell.Elements)
			}
		}
		line := Clip(strings.Join(words, " · "), maxSectionText-1)
		if len(lines) == rowsTogether || letters+utf8.RuneCountInString(line) >= maxSectionText {
			end()
		}
		lines = append(lines, line)
		letters += utf8.RuneCountInString(line) + 1
	}
	end()
	return out
}

// chartWords say a chart in a line for each series: where it begins and where it ends.
func chartWords(b *slack.DataVisualizationBlock) string {
	lines := []string{b.Title}
	series := func(all []slack.DataVisualizationDataSeries) {
		for _, s := range all {
			if len(s.Data) > 0 {
				first, last := s.Data[0], s.Data[len(s.Data)-1]
				lines = append(lines, fmt.Sprintf("%s: %s (%s) → %s (%s)", s.Name, figure(first.Value), first.Label, figure(last.Value), last.Label))
			}
		}
	}
	switch chart := b.Chart.(type) {
	case *slack.DataVisualizationPieChart:
		for _, s := range chart.Segments {
			lines = append(lines, s.Label+": "+figure(s.Value))
		}
	case *slack.DataVisualizationBarChart:
		series(chart.Series)
	case *slack.DataVisualizationLineChart:
		series(chart.Series)
	case *slack.DataVisualizationAreaChart:
		series(chart.Series)
	}
	return strings.Join(lines, "\n")
}

func figure(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// itemsOf are the blocks of a layout, one below the other: those that it names for older clients,
// else its items.
func itemsOf(b *slack.LayoutBlock) []slack.Block {
	if b.Fallback != nil && len(b.Fallback.BlockSet) > 0 {
		return b.Fallback.BlockSet
	}
	var out []slack.Block
	for _, row := range b.Rows {
		for _, item := range row.Items {
			out = append(out, item.Block)
		}
	}
	return out
}

// plainSection shows text in which nothing can mention anybody or make a link.
func plainSection(id, text string) slack.Block {
	if strings.TrimSpace(text) == "" {
		text = "–"
	}
	object := slack.NewTextBlockObject(slack.PlainTextType, Clip(text, maxSectionText), false, false)
	return slack.NewSectionBlock(object, nil, nil, slack.SectionBlockOptionBlockID(id))
}

// numbered is the id of one of several blocks that stand for one; "" is left for Slack to fill in.
func numbered(id string, i int) string {
	if id == "" || i == 0 {
		return id
	}
	return fmt.Sprintf("%s-%d", id, i)
}
