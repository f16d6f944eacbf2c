package workspace_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox/workspace"
)

func letters(n int) string { return strings.Repeat("x", n) }

// times returns a JSON list of n items, each made by item.
func times(n int, item func(i int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

func plainJSON(n int) string { return fmt.Sprintf(`{"type":"plain_text","text":%q}`, letters(n)) }

func section(n int) string {
	return fmt.Sprintf(`{"type":"section","text":{"type":"mrkdwn","text":%q}}`, letters(n))
}

func button(more string) string {
	return `{"type":"button","text":{"type":"plain_text","text":"Go"}` + more + `}`
}

func actions(elements string) string { return `{"type":"actions","elements":` + elements + `}` }

func confirmed(title, text, yes int) string {
	return actions("[" + button(fmt.Sprintf(`,"confirm":{"title":%s,"text":%s,"confirm":%s,"deny":%s}`,
		plainJSON(title), plainJSON(text), plainJSON(yes), plainJSON(4))) + "]")
}

func menu(options int, value int) string {
	return actions(`[{"type":"static_select","options":` + times(options, func(int) string {
		return fmt.Sprintf(`{"text":%s,"value":%q}`, plainJSON(4), letters(value))
	}) + `}]`)
}

func tableBlock(rows, columns, cell int) string {
	return `{"type":"table","rows":` + times(rows, func(int) string {
		return times(columns, func(int) string { return fmt.Sprintf(`{"type":"raw_text","text":%q}`, letters(cell)) })
	}) + `}`
}

func dataRows(rows ...string) string {
	return `{"type":"data_table","caption":"Rows","rows":[` + strings.Join(rows, ",") + `]}`
}

func dataTable(rows, columns, cell int, more string) string {
	return `{"type":"data_table","caption":"Rows","rows":` + times(rows, func(int) string {
		return times(columns, func(int) string { return fmt.Sprintf(`{"type":"raw_text","text":%q}`, letters(cell)) })
	}) + more + `}`
}

func chartBlock(points string) string {
	return fmt.Sprintf(`{"type":"data_visualization","title":"a","chart":{"type":"line",`+
		`"axis_config":{"categories":["Nov"]},"series":[{"name":"x","data":[%s]}]}}`, points)
}

func containerOf(children string) string {
	return `{"type":"container","title":` + plainJSON(3) + `,"is_collapsible":true,"default_collapsed":true,"child_blocks":` +
		children + `}`
}

func layoutOf(items string) string {
	return `{"type":"layout","label":"a","rows":[{"items":` + items + `}]}`
}

func TestBlockLimits(t *testing.T) {
	w := start(t, workspace.Config{})
	w.SetFaults(workspace.Faults{NoLimits: true})
	id := func(i int) string { return button(fmt.Sprintf(`,"action_id":"a%d"`, i)) }
	for name, test := range map[string]struct{ good, bad, want string }{
		"header": {
			`{"type":"header","text":` + plainJSON(150) + `}`, `{"type":"header","text":` + plainJSON(151) + `}`,
			"invalid_blocks: [ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]",
		},
		"header in mrkdwn": {
			"", `{"type":"header","text":{"type":"mrkdwn","text":"x"}}`,
			"invalid_blocks: [ERROR] must be one of plain_text [json-pointer:/blocks/0/text/type]",
		},
		"section": {
			section(3000), section(3001),
			"invalid_blocks: [ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
		},
		"empty text": {
			"", section(0), "invalid_blocks: [ERROR] must be more than 0 characters [json-pointer:/blocks/0/text/text]",
		},
		"section without text": {
			"", `{"type":"section"}`, "invalid_blocks: [ERROR] missing required field: text [json-pointer:/blocks/0]",
		},
		"fields": {
			`{"type":"section","fields":` + times(10, func(int) string { return plainJSON(100) }) + `}`,
			`{"type":"section","fields":` + times(11, func(int) string { return plainJSON(100) }) + `}`,
			"invalid_blocks: [ERROR] no more than 10 items allowed [json-pointer:/blocks/0/fields]",
		},
		"field": {
			`{"type":"section","fields":[` + plainJSON(2000) + `]}`, `{"type":"section","fields":[` + plainJSON(2001) + `]}`,
			"invalid_blocks: [ERROR] must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
		},
		"context": {
			`{"type":"context","elements":` + times(10, func(int) string { return plainJSON(5) }) + `}`,
			`{"type":"context","elements":` + times(11, func(int) string { return plainJSON(5) }) + `}`,
			"invalid_blocks: [ERROR] no more than 10 items allowed [json-pointer:/blocks/0/elements]",
		},
		"actions": {
			actions(times(25, id)), actions(times(26, id)),
			"invalid_blocks: [ERROR] no more than 25 items allowed [json-pointer:/blocks/0/elements]",
		},
		"same action_id": {
			"", actions("[" + id(1) + "," + id(1) + "]"),
			"invalid_blocks: [ERROR] action_id must be unique: a1 [json-pointer:/blocks/0/elements/1/action_id]",
		},
		"button text": {
			actions(`[{"type":"button","text":` + plainJSON(75) + `}]`), actions(`[{"type":"button","text":` + plainJSON(76) + `}]`),
			"invalid_blocks: [ERROR] must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
		},
		"button value": {
			actions("[" + button(`,"value":"`+letters(2000)+`"`) + "]"), actions("[" + button(`,"value":"`+letters(2001)+`"`) + "]"),
			"invalid_blocks: [ERROR] must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
		},
		"button style": {
			actions("[" + button(`,"style":"danger"`) + "]"), actions("[" + button(`,"style":"default"`) + "]"),
			"invalid_blocks: [ERROR] must be one of primary, danger [json-pointer:/blocks/0/elements/0/style]",
		},
		"action_id": {
			actions("[" + button(`,"action_id":"`+letters(255)+`"`) + "]"),
			actions("[" + button(`,"action_id":"`+letters(256)+`"`) + "]"),
			"invalid_blocks: [ERROR] must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
		},
		"confirm title": {
			confirmed(100, 300, 30), confirmed(101, 300, 30),
			"invalid_blocks: [ERROR] must be less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]",
		},
		"confirm text": {
			"", confirmed(100, 301, 30),
			"invalid_blocks: [ERROR] must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
		},
		"confirm button": {
			"", confirmed(100, 300, 31),
			"invalid_blocks: [ERROR] must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/confirm/text]",
		},
		"options": {
			menu(100, 4), menu(101, 4),
			"invalid_blocks: [ERROR] no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]",
		},
		"option value": {
			menu(1, 150), menu(1, 151),
			"invalid_blocks: [ERROR] must be less than 151 characters [json-pointer:/blocks/0/elements/0/options/0/value]",
		},
		"unknown field": {
			"", `{"type":"divider","color":"red"}`,
			"invalid_blocks: [ERROR] no more properties are allowed: color [json-pointer:/blocks/0/color]",
		},
		"unknown block": {
			"", `{"type":"banner"}`, "invalid_blocks: [ERROR] unsupported type of block: banner [json-pointer:/blocks/0/type]",
		},
		"unknown element": {
			"", actions(`[{"type":"plain_text_input"}]`),
			"invalid_blocks: [ERROR] unsupported type of element: plain_text_input [json-pointer:/blocks/0/elements/0/type]",
		},
		"file input in a message": {
			"", `{"type":"input","label":` + plainJSON(5) + `,"element":{"type":"file_input"}}`,
			"invalid_blocks: [ERROR] unsupported type of element: file_input [json-pointer:/blocks/0/element/type]",
		},
		"image": {
			`{"type":"image","image_url":"https://x.example/a.png","alt_text":"a"}`, `{"type":"image","alt_text":"a"}`,
			"invalid_blocks: [ERROR] must have either image_url or slack_file [json-pointer:/blocks/0]",
		},
		"table rows": {
			tableBlock(100, 2, 3), tableBlock(101, 2, 3),
			"invalid_blocks: [ERROR] no more than 100 items allowed [json-pointer:/blocks/0/rows]",
		},
		"table columns": {
			tableBlock(2, 20, 3), tableBlock(2, 21, 3),
			"invalid_blocks: [ERROR] no more than 20 items allowed [json-pointer:/blocks/0/rows/0]",
		},
		"table letters": {
			tableBlock(10, 10, 100), tableBlock(10, 10, 101),
			"invalid_blocks: [ERROR] the cells of a table must have less than 10001 characters",
		},
		"empty cell": {
			"", tableBlock(1, 1, 0),
			"invalid_blocks: [ERROR] must be more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]",
		},
		"two tables": {
			"", tableBlock(1, 1, 1) + "," + tableBlock(1, 1, 1), "invalid_attachments: [ERROR] only_one_table_allowed",
		},
		"markdown": {
			`{"type":"markdown","text":"` + letters(12_000) + `"}`, `{"type":"markdown","text":"` + letters(12_001) + `"}`,
			"invalid_blocks: [ERROR] must be less than 12001 characters [json-pointer:/blocks/0/text]",
		},
		"two markdown blocks": {
			"", `{"type":"markdown","text":"` + letters(6_001) + `"},{"type":"markdown","text":"` + letters(6_000) + `"}`,
			"invalid_blocks: [ERROR] markdown blocks must have less than 12001 characters",
		},
		"all text": {
			strings.Join([]string{section(3000), section(3000), section(3000), section(3000), section(1200)}, ","),
			strings.Join([]string{section(3000), section(3000), section(3000), section(3000), section(1201)}, ","),
			"msg_blocks_too_long",
		},
		"blocks": {
			strings.Trim(times(50, func(int) string { return `{"type":"divider"}` }), "[]"),
			strings.Trim(times(51, func(int) string { return `{"type":"divider"}` }), "[]"),
			"invalid_blocks: [ERROR] no more than 50 items allowed [json-pointer:/blocks]",
		},
		"same block_id": {
			`{"type":"divider","block_id":"a"},{"type":"divider","block_id":"b"}`,
			`{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}`,
			"invalid_blocks: [ERROR] block_id must be unique: a [json-pointer:/blocks/1/block_id]",
		},
		"not JSON": {"", `{"type":`, "invalid_blocks_format"},
		"rich text": {
			`{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"user","user_id":"U0BOB"},` +
				`{"type":"text","text":" hi","style":{"bold":true}}]}]}`,
			`{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"user"}]}]}`,
			"invalid_blocks: [ERROR] missing required field: user_id [json-pointer:/blocks/0/elements/0/elements/0]",
		},
		"chart": {
			`{"type":"data_visualization","title":"a","chart":{"type":"pie","segments":[{"label":"x","value":1}]}}`,
			`{"type":"data_visualization","title":"a","chart":{"type":"pie","segments":[{"label":"x","value":0}]}}`,
			"invalid_blocks: [ERROR] must be more than 0 [json-pointer:/blocks/0/chart/segments/0/value]",
		},
		"chart points": {
			chartBlock(`{"label":"Nov","value":-2}`),
			chartBlock(`{"label":"Nov","value":1},{"label":"Dec","value":1}`),
			"invalid_blocks: [ERROR] must have one point for each category [json-pointer:/blocks/0/chart/series/0/data]",
		},
		"charts in a message": {
			strings.Trim(times(2, func(int) string { return chartBlock(`{"label":"Nov","value":1}`) }), "[]"),
			strings.Trim(times(3, func(int) string { return chartBlock(`{"label":"Nov","value":1}`) }), "[]"),
			"invalid_blocks: [ERROR] no more than 2 data_visualization blocks allowed",
		},
		"data table rows": {
			dataTable(101, 2, 3, ""), dataTable(102, 2, 3, ""),
			"invalid_blocks: [ERROR] no more than 101 items allowed [json-pointer:/blocks/0/rows]",
		},
		"data table columns": {
			dataTable(2, 20, 3, ""), dataTable(2, 21, 3, ""),
			"invalid_blocks: [ERROR] no more than 20 items allowed [json-pointer:/blocks/0/rows/0]",
		},
		"data table of a header": {
			"", dataTable(1, 2, 3, ""), "invalid_blocks: [ERROR] no less than 2 items allowed [json-pointer:/blocks/0/rows]",
		},
		"data table page": {
			dataTable(2, 1, 1, `,"page_size":100,"row_header_column_index":0`), dataTable(2, 1, 1, `,"page_size":101`),
			"invalid_blocks: [ERROR] must be between 1 and 100 [json-pointer:/blocks/0/page_size]",
		},
		"data table caption": {
			"", `{"type":"data_table","rows":[[{"type":"raw_text","text":"a"}],[{"type":"raw_text","text":"b"}]]}`,
			"invalid_blocks: [ERROR] missing required field: caption [json-pointer:/blocks/0]",
		},
		"data table letters": {
			dataTable(10, 10, 100, ""), dataTable(10, 10, 101, ""),
			"invalid_blocks: [ERROR] the cells of a table must have less than 10001 characters",
		},
		"data table cells": {
			dataRows(`[{"type":"raw_text","text":"a"},{"type":"raw_text","text":"b"}]`,
				`[{"type":"raw_number","value":1},{"type":"action_cell","element":`+button("")+`,"fallback":{"type":"raw_text","text":"x"}}]`),
			dataRows(`[{"type":"raw_number","value":1}]`, `[{"type":"raw_text","text":"a"}]`),
			"invalid_blocks: [ERROR] must be one of raw_text [json-pointer:/blocks/0/rows/0/0/type]",
		},
		"data table lengths": {
			"", dataRows(`[{"type":"raw_text","text":"a"}]`, `[{"type":"raw_text","text":"a"},{"type":"raw_text","text":"b"}]`),
			"invalid_blocks: [ERROR] must have 1 items as the other rows [json-pointer:/blocks/0/rows/1]",
		},
		"data table and table": {
			"", dataTable(2, 1, 1, "") + "," + tableBlock(1, 1, 1), "invalid_attachments: [ERROR] only_one_table_allowed",
		},
		"container": {
			containerOf(times(10, func(int) string { return `{"type":"divider"}` })),
			containerOf(times(11, func(int) string { return `{"type":"divider"}` })),
			"invalid_blocks: [ERROR] no more than 10 items allowed [json-pointer:/blocks/0/child_blocks]",
		},
		"data table in a container": {
			containerOf("[" + tableBlock(1, 1, 1) + "]"), containerOf("[" + dataTable(2, 1, 1, "") + "]"),
			"invalid_blocks: [ERROR] unsupported type: data_table in a container [json-pointer:/blocks/0/child_blocks/0/type]",
		},
		"layout": {
			layoutOf(times(3, func(int) string { return `{"block":` + section(3) + `,"width":"wide"}` })),
			layoutOf(times(4, func(int) string { return `{"block":` + section(3) + `}` })),
			"invalid_blocks: [ERROR] no more than 3 items allowed [json-pointer:/blocks/0/rows/0/items]",
		},
		"three levels": {
			layoutOf(`[{"block":` + containerOf(`[{"type":"divider"}]`) + `}]`),
			layoutOf(`[{"block":` + containerOf("["+layoutOf(`[{"block":{"type":"divider"}}]`)+"]") + `}]`),
			"invalid_blocks: [ERROR] unsupported type: layout in a container " +
				"[json-pointer:/blocks/0/rows/0/items/0/block/child_blocks/0/type]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.good != "" {
				if got := postBlocks(t, w, test.good); got != "" {
					t.Errorf("at the limit: %s, want it taken", got)
				}
			}
			if got := postBlocks(t, w, test.bad); got != test.want {
				t.Errorf("over the limit: %q\nwant %q", got, test.want)
			}
		})
	}
}

// postBlocks posts a message with blocks and gives Slack's code and first sentence.
func postBlocks(t *testing.T, w *workspace.Workspace, blocks string) string {
	t.Helper()
	got := post(t, w, "chat.postMessage", w.BotToken(), url.Values{
		"channel": {requests}, "text": {"x"}, "blocks": {"[" + blocks + "]"},
	})
	if len(got.Metadata.Messages) > 0 {
		return got.Error + ": " + got.Metadata.Messages[0]
	}
	return got.Error
}

func TestAdviceIsNoted(t *testing.T) {
	for want, do := range map[string]func(*testing.T, *workspace.Workspace){
		"missing_text_in_message": func(t *testing.T, w *workspace.Workspace) {
			post(t, w, "chat.postMessage", w.BotToken(), url.Values{"channel": {requests}, "blocks": {"[" + section(1) + "]"}})
		},
		"text_over_4000": func(t *testing.T, w *workspace.Workspace) {
			post(t, w, "chat.postMessage", w.BotToken(), url.Values{"channel": {requests}, "text": {letters(4001)}})
		},
		"block_id_reused": func(t *testing.T, w *workspace.Workspace) {
			block := func(value string) string {
				return `[{"type":"actions","block_id":"a","elements":[` + button(`,"action_id":"x","value":"`+value+`"`) + `]}]`
			}
			form := url.Values{"channel": {requests}, "text": {"x"}, "blocks": {block("1")}}
			form.Set("ts", post(t, w, "chat.postMessage", w.BotToken(), form).TS)
			post(t, w, "chat.update", w.BotToken(), form)
			noViolations(t, w)
			form.Set("blocks", block("2"))
			post(t, w, "chat.update", w.BotToken(), form)
		},
		"msg_too_long": func(t *testing.T, w *workspace.Workspace) {
			form := url.Values{"channel": {requests}, "text": {"x"}}
			form.Set("ts", post(t, w, "chat.postMessage", w.BotToken(), form).TS)
			form.Set("text", letters(4001))
			post(t, w, "chat.update", w.BotToken(), form)
		},
		"token_in_address": func(t *testing.T, w *workspace.Workspace) {
			post(t, w, "auth.test?token="+w.BotToken(), "", nil)
		},
	} {
		t.Run(want, func(t *testing.T) {
			w := start(t, workspace.Config{})
			do(t, w)
			if v := w.Violations(); len(v) == 0 || v[0].Rule != want {
				t.Errorf("violations %+v, want %s first", v, want)
			}
		})
	}
}
