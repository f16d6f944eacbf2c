package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
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

// surface is where blocks are shown.
type surface string

const (
	inMessage surface = "message"
	inModal   surface = "modal"
	inHome    surface = "home"
)

// checker walks through blocks and notes what Slack would refuse.
type checker struct {
	where    surface
	problems []string // "must be … [json-pointer:/blocks/0/text]"
	letters  int      // of all text
	cells    int      // letters in table cells
	markdown int      // letters in markdown blocks
	tables   int
	inputs   int // input blocks
	blockIDs map[string]bool
}

func (c *checker) fail(at, format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("[ERROR] "+format, args...)+" [json-pointer:"+at+"]")
}

// rule checks one value; at is its JSON pointer.
type rule func(c *checker, at string, v any)

// fields are the rules of an object's fields.
type fields map[string]rule

// shape is an object: the fields that it must have and those that it may have. Others are refused.
type shape struct {
	need, may fields
	also      rule // what is more than one field, nil when nothing is
}

func (s shape) check(c *checker, at string, v any) {
	object, is := v.(map[string]any)
	if !is {
		c.fail(at, "must provide an object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.need)) {
		if object[name] == nil {
			c.fail(at, "missing required field: %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value := object[name]
		check := s.need[name]
		if check == nil {
			check = s.may[name]
		}
		switch {
		case check == nil:
			c.fail(at+"/"+name, "no more properties are allowed: %s", name)
		case value != nil:
			check(c, at+"/"+name, value)
		}
	}
	if s.also != nil {
		s.also(c, at, object)
	}
}

// typed picks the shape by the field "type". Every shape also takes the fields of common.
func typed(what string, common fields, shapes map[string]shape) rule {
	return func(c *checker, at string, v any) {
		object, is := v.(map[string]any)
		if !is {
			c.fail(at, "must provide an object")
			return
		}
		kind, _ := object["type"].(string)
		s, known := shapes[kind]
		if !known {
			c.fail(at+"/type", "unsupported type of %s: %s", what, kind)
			return
		}
		may := fields{}
		maps.Copy(may, common)
		maps.Copy(may, s.may)
		may["type"] = func(*checker, string, any) {}
		shape{need: s.need, may: may, also: s.also}.check(c, at, v)
	}
}

// letters is a string of least to most letters.
func letters(least, most int) rule {
	return func(c *checker, at string, v any) {
		s, is := v.(string)
		n := utf8.RuneCountInString(s)
		switch {
		case !is:
			c.fail(at, "must be a string")
		case n < least:
			c.fail(at, "must be more than %d characters", least-1)
		case n > most:
			c.fail(at, "must be less than %d characters", most+1)
		}
	}
}

// shown is a string that counts as text of its block.
func shown(least, most int) rule {
	check := letters(least, most)
	return func(c *checker, at string, v any) {
		check(c, at, v)
		if s, is := v.(string); is {
			c.letters += utf8.RuneCountInString(s)
		}
	}
}

func flag(c *checker, at string, v any) {
	if _, is := v.(bool); !is {
		c.fail(at, "must be a boolean")
	}
}

func number(least, most int64) rule {
	return func(c *checker, at string, v any) {
		n, is := v.(json.Number)
		whole, err := strconv.ParseInt(string(n), 10, 64)
		switch {
		case !is || err != nil:
			c.fail(at, "must be an integer")
		case whole < least || whole > most:
			c.fail(at, "must be between %d and %d", least, most)
		}
	}
}

func float(c *checker, at string, v any) {
	if _, is := v.(json.Number); !is {
		c.fail(at, "must be a number")
	}
}

func oneOf(words ...string) rule {
	return func(c *checker, at string, v any) {
		if s, is := v.(string); !is || !slices.Contains(words, s) {
			c.fail(at, "must be one of %s", strings.Join(words, ", "))
		}
	}
}

// list is a list of least to most items.
func list(least, most int, item rule) rule {
	return func(c *checker, at string, v any) {
		items, is := v.([]any)
		switch {
		case !is:
			c.fail(at, "must be an array")
			return
		case len(items) < least:
			c.fail(at, "no less than %d items allowed", least)
		case len(items) > most:
			c.fail(at, "no more than %d items allowed", most)
		}
		for i, one := range items {
			item(c, at+"/"+strconv.Itoa(i), one)
		}
	}
}

// Kinds of text objects.
const (
	plain  = "plain_text"
	mrkdwn = "mrkdwn"
)

// text is a text object of one to most letters.
func text(most int, kinds ...string) rule {
	object := shape{
		need: fields{"type": oneOf(kinds...), "text": shown(1, most)},
		may:  fields{"emoji": flag, "verbatim": flag},
		also: func(c *checker, at string, v any) {
			object := v.(map[string]any) // shape.check gives objects only
			if object["emoji"] != nil && object["type"] == mrkdwn {
				c.fail(at+"/emoji", "no more properties are allowed: emoji")
			}
			if object["verbatim"] != nil && object["type"] == plain {
				c.fail(at+"/verbatim", "no more properties are allowed: verbatim")
			}
		},
	}
	return object.check
}

// readBlocks checks the argument blocks and fills in ids; nil when the argument is empty.
func (w *Workspace) readBlocks(argument string, where surface) (json.RawMessage, error) {
	if argument == "" {
		return nil, nil
	}
	blocks, err := decodeList(argument)
	if err != nil {
		return nil, refuse("invalid_blocks_format")
	}
	c := newChecker(where)
	c.blocks("/blocks", blocks)
	if err := c.verdict("invalid_blocks"); err != nil {
		return nil, err
	}
	w.fillIDs(blocks)
	return encode(blocks), nil
}

func newChecker(where surface) *checker {
	return &checker{where: where, blockIDs: make(map[string]bool)}
}

// readAttachments checks the argument attachments; blocks are the message's own, for the table that counts for both.
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
	c := newChecker(inMessage)
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
	if c.where == inMessage {
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

// verdict is the refusal for what was found, nil when Slack would take it. code is the one for a wrong shape.
func (c *checker) verdict(code string) error {
	switch {
	case len(c.problems) > 0:
		return refuse(code, c.problems...)
	case c.tables > 1:
		return refuse("invalid_attachments", "[ERROR] only_one_table_allowed")
	case c.cells > maxCellText:
		return refuse(code, fmt.Sprintf("[ERROR] the cells of a table must have less than %d characters", maxCellText+1))
	case c.markdown > maxMarkdownText:
		return refuse(code, fmt.Sprintf("[ERROR] markdown blocks must have less than %d characters", maxMarkdownText+1))
	case c.where == inMessage && c.letters > maxBlockText:
		return refuse("msg_blocks_too_long")
	}
	return nil
}

// fillIDs gives every block a block_id and every element of an actions, section or input block an action_id, as Slack does.
// The caller holds w.mu.
func (w *Workspace) fillIDs(blocks []any) {
	for _, block := range blocks {
		object := block.(map[string]any) // the checker let objects through only
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

// interactive are the elements of a block that somebody can use.
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

// checkBlockIDs notes a block that changed under its old block_id: "if a message is updated, use a new block_id" (docs).
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
	for _, block := range old {
		if object, is := block.(map[string]any); is && len(interactive(object)) > 0 {
			known[object["block_id"]] = string(encode(object))
		}
	}
	for _, block := range next {
		object, is := block.(map[string]any)
		if is && known[object["block_id"]] != "" && known[object["block_id"]] != string(encode(object)) {
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
