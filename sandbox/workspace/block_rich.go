package workspace

import (
	"slices"
	"strconv"
)

// Limits of the newer blocks.
const (
	maxTableRows = 101 // of a data_table, the header included (docs: data table block)
	maxCharts    = 2   // data_visualization blocks in one message (not documented; vercel/chat#696)
)

// richShapes returns the blocks that Slack took up in 2026 (docs: the page of each). Where they may
// stand besides messages is not documented, so they may stand everywhere; [Faults.Refused] plays a
// workspace that sees it otherwise.
func richShapes() map[string]shape {
	return map[string]shape{
		"data_table": {
			need: fields{"rows": list(2, maxTableRows, list(1, 20, dataCell)), "caption": shown(1, maxText)},
			may:  fields{"page_size": number(1, 100), "row_header_column_index": number(0, 19)},
			also: dataTable,
		},
		"data_visualization": {
			need: fields{"title": shown(1, 50), "chart": chart}, also: func(c *checker, _ string, _ any) { c.charts++ },
		},
		"container": {
			need: fields{"child_blocks": list(1, 10, childOf("container", containerChildren))},
			may: fields{
				"title": text(150, plain), "rich_text_title": richTextBlock, "subtitle": text(150, plain, mrkdwn),
				"icon": element("image"), "width": oneOf("narrow", "standard", "wide", "full"), "is_collapsible": flag,
				"default_collapsed": flag, "has_header_divider": flag,
			},
			also: container,
		},
		"layout": {
			need: fields{"label": shown(1, 150), "rows": list(1, 5, layoutRow)},
			may: fields{
				"is_label_visible": flag, "grid_lines": oneOf("none", "rows", "outer"),
				"fallback": list(0, maxMessageBlocks, childOf("layout fallback", stableChildren)),
			},
		},
	}
}

// What may stand inside of other blocks (docs: container block, layout block). Two levels are the
// most: a layout in a container, or a container in a layout.
var (
	containerChildren = []string{
		"actions", "context", "divider", "header", "image", "input", "rich_text", "section", "table", "layout",
	}
	layoutChildren = []string{
		"actions", "alert", "container", "context", "data_table", "data_visualization", "divider", "header", "image",
		"input", "rich_text", "section", "table",
	}
	stableChildren = []string{"context", "divider", "header", "image", "rich_text", "section", "table"}
)

// childOf returns a rule for a block of one of the kinds inside of another one.
func childOf(parent string, kinds []string) rule {
	return func(c *checker, at string, v any) {
		object, _ := v.(map[string]any)
		kind := asText(object["type"])
		if object != nil && (!slices.Contains(kinds, kind) || c.nested > 0 && (kind == "container" || kind == "layout")) {
			c.fail(at+"/type", "unsupported type: %s in a %s", kind, parent)
			return
		}
		c.nested++
		c.block(c, at, v)
		c.nested--
	}
}

func container(c *checker, at string, v any) {
	object := v.(map[string]any) // shape.check gives objects only
	switch {
	case object["title"] == nil && object["rich_text_title"] == nil:
		c.fail(at, "missing required field: title")
	case object["default_collapsed"] == true && object["is_collapsible"] != true:
		c.fail(at+"/default_collapsed", "must be collapsible")
	case object["has_header_divider"] == true && object["is_collapsible"] == true:
		c.fail(at+"/has_header_divider", "must not be collapsible")
	}
}

func layoutRow(c *checker, at string, v any) {
	item := shape{
		need: fields{"block": childOf("layout", layoutChildren)},
		may: fields{
			"width": oneOf("narrow", "standard", "wide"), "horizontal_alignment": oneOf("start", "center", "end"),
		},
	}
	shape{need: fields{"items": list(1, 3, item.check)}}.check(c, at, v)
}

// dataTable checks what is more than one cell: all rows have the same length, and the header is text.
func dataTable(c *checker, at string, v any) {
	c.tables++
	rows, _ := v.(map[string]any)["rows"].([]any)
	width := -1
	for i, row := range rows {
		cells, _ := row.([]any)
		if width < 0 {
			width = len(cells)
		}
		if len(cells) != width {
			c.fail(at+"/rows/"+strconv.Itoa(i), "must have %d items as the other rows", width)
		}
		for j, cell := range cells {
			if object, is := cell.(map[string]any); i == 0 && is && object["type"] != "raw_text" {
				c.fail(at+"/rows/0/"+strconv.Itoa(j)+"/type", "must be one of raw_text")
			}
		}
	}
}

// dataCell is a cell of a data_table: as one of a table, or a button; none is left out.
func dataCell(c *checker, at string, v any) {
	object, is := v.(map[string]any)
	switch {
	case v == nil:
		c.fail(at, "must provide an object")
	case is && object["type"] == "action_cell":
		shape{
			need: fields{"type": oneOf("action_cell"), "element": element("button")},
			may: fields{"fallback": func(c *checker, at string, v any) {
				if object, is := v.(map[string]any); is && object["type"] == "rich_text" {
					c.fail(at+"/type", "must be one of raw_text, raw_number")
					return
				}
				cell(c, at, v)
			}},
		}.check(c, at, v)
	default:
		cell(c, at, v)
	}
}

// nestedBlocks returns the blocks and, behind each, those inside of it.
func nestedBlocks(blocks []any) []map[string]any {
	var found []map[string]any
	for _, block := range blocks {
		object, is := block.(map[string]any)
		if !is {
			continue
		}
		found = append(found, object)
		children, _ := object["child_blocks"].([]any)
		rows, _ := object["rows"].([]any)
		for _, row := range rows {
			row, _ := row.(map[string]any) // a table's rows are lists
			items, _ := row["items"].([]any)
			for _, item := range items {
				if item, is := item.(map[string]any); is {
					children = append(children, item["block"])
				}
			}
		}
		found = append(found, nestedBlocks(children)...)
	}
	return found
}

// cellButtons returns the buttons in the cells of a data_table.
func cellButtons(table map[string]any) []map[string]any {
	var found []map[string]any
	rows, _ := table["rows"].([]any)
	for _, row := range rows {
		cells, _ := row.([]any)
		for _, cell := range cells {
			object, _ := cell.(map[string]any)
			if button, is := object["element"].(map[string]any); is {
				found = append(found, button)
			}
		}
	}
	return found
}
