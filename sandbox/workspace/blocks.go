package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Limits over a whole message or view.
const (
	maxMessageBlocks = 50      // docs: Block Kit, blocks
	maxViewBlocks    = 100     // docs: Block Kit, blocks; modals and Home tabs
	maxBlockText     = 13_200  // letters over all blocks of a message (not documented; slackapi/bolt-js#2509)
	maxCellText      = 10_000  // letters over all table cells of a message (docs: table block)
	maxMarkdownText  = 12_000  // letters over all markdown blocks of a payload (docs: markdown block)
	maxAttachments   = 100     // docs: chat.postMessage
	maxID            = 255     // letters of block_id, action_id, callback_id
	maxView          = 250_000 // bytes
	maxPrivate       = 3_000   // letters of private_metadata
)

// Surface is where blocks are shown.
type Surface string

// The surfaces of an app.
const (
	InMessage Surface = "message"
	InModal   Surface = "modal"
	InHome    Surface = "home"
)

// checker walks through blocks and notes what Slack would refuse.
type checker struct {
	where    Surface
	problems []string // "must be … [json-pointer:/blocks/0/text]"
	letters  int      // of all text
	cells    int      // letters in table cells
	markdown int      // letters in markdown blocks
	tables   int
	charts   int
	inputs   int // input blocks
	nested   int // how deep in other blocks the checker is
	blockIDs map[string]bool
}

func (c *checker) fail(at, format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("[ERROR] "+format, args...)+" [json-pointer:"+at+"]")
}

// Kinds of text objects.
const (
	plain  = "plain_text"
	mrkdwn = "mrkdwn"
)

// readBlocks checks the argument blocks and fills in ids; nil when the argument is empty.
func (w *Workspace) readBlocks(argument string, where Surface) (json.RawMessage, error) {
	if argument == "" {
		return nil, nil
	}
	blocks, err := decodeList(argument)
	if err != nil {
		return nil, refuse("invalid_blocks_format")
	}
	if err := w.refusedBlocks(blocks, where, "/blocks"); err != nil {
		return nil, err
	}
	c := newChecker(where)
	c.blocks("/blocks", blocks)
	if err := c.verdict("invalid_blocks"); err != nil {
		return nil, err
	}
	w.fillIDs(blocks)
	return encode(blocks), nil
}

func newChecker(where Surface) *checker {
	return &checker{where: where, blockIDs: make(map[string]bool)}
}

// readAttachments checks the argument attachments; blocks are the message's own, for the table that
// counts for both.
func (w *Workspace) readAttachments(argument string, blocks json.RawMessage) (json.RawMessage, error) {
	if argument == "" {
		return nil, nil
	}
	attachments, err := decodeList(argument)
	switch {
	case err != nil:
		return nil, refuse("invalid_attachments")
	case len(attachments) > maxAttachments:
		return nil, refuse("too_many_attachments")
	}
	c := newChecker(InMessage)
	if blocks != nil {
		own, err := decodeList(string(blocks))
		if err != nil {
			return nil, refuse("invalid_blocks_format")
		}
		c.blocks("/blocks", own)
	}
	for i, attachment := range attachments {
		object, is := attachment.(map[string]any)
		if !is {
			return nil, refuse("invalid_attachments")
		}
		if own, has := object["blocks"].([]any); has {
			c.blocks("/attachments/"+strconv.Itoa(i)+"/blocks", own)
			w.fillIDs(own)
		}
	}
	if err := c.verdict("invalid_attachments"); err != nil {
		return nil, err
	}
	return encode(attachments), nil
}

func (c *checker) blocks(at string, blocks []any) {
	most := maxViewBlocks
	if c.where == InMessage {
		most = maxMessageBlocks
	}
	list(0, most, c.block)(c, at, blocks)
}

func (c *checker) block(_ *checker, at string, v any) {
	if object, is := v.(map[string]any); is {
		kind, _ := object["type"].(string)
		if where := surfaces[kind]; where != nil && !slices.Contains(where, c.where) {
			c.fail(at+"/type", "unsupported type: %s in a %s", kind, c.where)
			return
		}
		if id, _ := object["block_id"].(string); id != "" {
			if c.blockIDs[id] {
				c.fail(at+"/block_id", "block_id must be unique: %s", id)
			}
			c.blockIDs[id] = true
		}
	}
	typed("block", fields{"block_id": letters(1, maxID)}, blockShapes())(c, at, v)
}

// verdict is the refusal for what was found, nil when Slack would take it. code is the one for a
// wrong shape.
func (c *checker) verdict(code string) error {
	switch {
	case len(c.problems) > 0:
		return refuse(code, c.problems...)
	case c.tables > 1:
		return refuse("invalid_attachments", "[ERROR] only_one_table_allowed")
	case c.where == InMessage && c.charts > maxCharts:
		return refuse(code, fmt.Sprintf("[ERROR] no more than %d data_visualization blocks allowed", maxCharts))
	case c.cells > maxCellText:
		return refuse(code, fmt.Sprintf("[ERROR] the cells of a table must have less than %d characters", maxCellText+1))
	case c.markdown > maxMarkdownText:
		return refuse(code, fmt.Sprintf("[ERROR] markdown blocks must have less than %d characters", maxMarkdownText+1))
	case c.where == InMessage && c.letters > maxBlockText:
		return refuse("msg_blocks_too_long")
	}
	return nil
}

// fillIDs gives every block a block_id and every element of an actions, section or input block an
// action_id, as Slack does. The caller holds w.mu.
func (w *Workspace) fillIDs(blocks []any) {
	for _, object := range nestedBlocks(blocks) {
		if object["block_id"] == nil || object["block_id"] == "" {
			object["block_id"] = strings.ToLower(w.newID("b", 4))
		}
		for _, element := range interactive(object) {
			if element["action_id"] == nil || element["action_id"] == "" {
				element["action_id"] = strings.ToLower(w.newID("a", 4))
			}
		}
	}
}

// interactive returns the elements of a block that somebody can use.
func interactive(block map[string]any) []map[string]any {
	var found []map[string]any
	switch block["type"] {
	case "actions", "context_actions":
		elements, _ := block["elements"].([]any)
		for _, element := range elements {
			if object, is := element.(map[string]any); is {
				found = append(found, object)
			}
		}
	case "data_table":
		return cellButtons(block)
	case "section":
		if accessory, is := block["accessory"].(map[string]any); is && accessory["type"] != "image" {
			found = append(found, accessory)
		}
	case "input":
		if element, is := block["element"].(map[string]any); is {
			found = append(found, element)
		}
	}
	return found
}

// checkBlockIDs records as a violation a block that changed under its old block_id: "if a message
// is updated, use a new block_id" (docs).
func (w *Workspace) checkBlockIDs(method string, before, after json.RawMessage) {
	old, err := decodeList(string(before))
	if err != nil || after == nil {
		return
	}
	next, err := decodeList(string(after))
	if err != nil {
		return
	}
	known := make(map[any]string)
	for _, object := range nestedBlocks(old) {
		if len(interactive(object)) > 0 {
			known[object["block_id"]] = string(encode(object))
		}
	}
	for _, object := range nestedBlocks(next) {
		if known[object["block_id"]] != "" && known[object["block_id"]] != string(encode(object)) {
			w.violate(method, "block_id_reused", fmt.Sprintf("the block %v changed under its old block_id", object["block_id"]))
		}
	}
}

// decodeList reads a JSON list, numbers kept as they are written.
func decodeList(text string) ([]any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var items []any
	if err := decoder.Decode(&items); err != nil {
		return nil, fmt.Errorf("decode a list: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decode a list: more follows")
	}
	if items == nil {
		return nil, errors.New("decode a list: null")
	}
	return items, nil
}
