package workspace

import (
	"maps"
	"strconv"
	"unicode/utf8"
)

// surfaces are where a block may stand, for blocks that may not stand everywhere (docs: the page of
// each block).
var surfaces = map[string][]Surface{
	"markdown":        {InMessage},
	"table":           {InMessage},
	"context_actions": {InMessage},
	"alert":           {InModal},
}

// blockShapes returns the blocks that Slack takes, with their limits (docs: Block Kit blocks).
func blockShapes() map[string]shape {
	shapes := map[string]shape{
		"header":  {need: fields{"text": text(150, plain)}, may: fields{"level": number(1, 4)}},
		"divider": {},
		"section": {
			may: fields{
				"text": text(3000, plain, mrkdwn), "fields": list(1, 10, text(2000, plain, mrkdwn)),
				"accessory": element("button", "image", "static_select", "multi_static_select", "users_select",
					"multi_users_select", "conversations_select", "multi_conversations_select", "channels_select",
					"multi_channels_select", "external_select", "multi_external_select", "overflow", "datepicker",
					"timepicker", "checkboxes", "radio_buttons"),
				"expand": flag,
			},
			also: func(c *checker, at string, v any) {
				if object := v.(map[string]any); object["text"] == nil && object["fields"] == nil {
					c.fail(at, "missing required field: text")
				}
			},
		},
		"context": {need: fields{"elements": list(1, 10, element("image", plain, mrkdwn))}},
		"actions": {need: fields{"elements": list(1, 25, element("button", "static_select", "multi_static_select",
			"users_select", "multi_users_select", "conversations_select", "multi_conversations_select", "channels_select",
			"multi_channels_select", "external_select", "multi_external_select", "overflow", "datepicker", "timepicker",
			"datetimepicker", "checkboxes", "radio_buttons", "rich_text_input"))}, also: uniqueActions},
		"context_actions": {need: fields{"elements": list(1, 5, element("feedback_buttons", "icon_button"))}},
		"image": {
			need: fields{"alt_text": shown(1, 2000)},
			may:  fields{"image_url": letters(1, 3000), "slack_file": slackFile, "title": text(2000, plain)},
			also: eitherImage,
		},
		"input": {
			need: fields{"label": text(2000, plain), "element": inputElement},
			may:  fields{"hint": text(2000, plain), "optional": flag, "dispatch_action": flag},
			also: func(c *checker, _ string, _ any) { c.inputs++ },
		},
		"markdown": {need: fields{"text": func(c *checker, at string, v any) {
			shown(1, maxMarkdownText)(c, at, v)
			if s, is := v.(string); is {
				c.markdown += utf8.RuneCountInString(s)
			}
		}}},
		"rich_text": {need: fields{"elements": list(0, 1000, richText)}},
		"table": {
			need: fields{"rows": list(1, 100, list(1, 20, cell))},
			may:  fields{"column_settings": list(0, 20, column)},
			also: func(c *checker, _ string, _ any) { c.tables++ },
		},
		"alert": {
			need: fields{"text": text(200, plain, mrkdwn)},
			may:  fields{"level": oneOf("default", "info", "warning", "error", "success")},
		},
	}
	maps.Copy(shapes, richShapes())
	return shapes
}

// uniqueActions refuses two elements of one block with the same action_id.
func uniqueActions(c *checker, at string, v any) {
	seen := make(map[string]bool)
	for i, one := range interactive(v.(map[string]any)) { // shape.check gives objects only
		id, _ := one["action_id"].(string)
		if id != "" && seen[id] {
			c.fail(at+"/elements/"+strconv.Itoa(i)+"/action_id", "action_id must be unique: %s", id)
		}
		seen[id] = true
	}
}

func eitherImage(c *checker, at string, v any) {
	object := v.(map[string]any) // shape.check gives objects only
	if (object["image_url"] == nil) == (object["slack_file"] == nil) {
		c.fail(at, "must have either image_url or slack_file")
	}
}

func slackFile(c *checker, at string, v any) {
	shape{may: fields{"id": letters(1, maxID), "url": letters(1, 3000)}}.check(c, at, v)
}

func confirm(c *checker, at string, v any) {
	shape{
		need: fields{
			"title": text(100, plain), "text": text(300, plain, mrkdwn), "confirm": text(30, plain), "deny": text(30, plain),
		},
		may: fields{"style": oneOf("primary", "danger")},
	}.check(c, at, v)
}

// option returns a rule for an option object; kinds are the kinds of text that its element takes.
func option(kinds ...string) rule {
	object := shape{
		need: fields{"text": text(75, kinds...), "value": letters(1, 150)},
		may:  fields{"description": text(75, kinds...), "url": letters(1, 3000)},
	}
	return object.check
}

func optionGroup(c *checker, at string, v any) {
	shape{need: fields{"label": text(75, plain), "options": list(1, 100, option(plain))}}.check(c, at, v)
}

// eitherOptions refuses a menu with both options and option_groups, or with neither.
func eitherOptions(c *checker, at string, v any) {
	object := v.(map[string]any) // shape.check gives objects only
	if (object["options"] == nil) == (object["option_groups"] == nil) {
		c.fail(at, "must have either options or option_groups")
	}
}

// element returns a rule for the elements of these kinds only.
func element(kinds ...string) rule {
	all := elementShapes()
	shapes := make(map[string]shape, len(kinds))
	for _, kind := range kinds {
		shapes[kind] = all[kind]
	}
	return func(c *checker, at string, v any) {
		common := fields{"action_id": letters(1, maxID)}
		if object, is := v.(map[string]any); is {
			switch object["type"] {
			case "image", plain, mrkdwn:
				common = fields{}
			}
		}
		typed("element", common, shapes)(c, at, v)
	}
}

// inputElement is what an input block holds; files go into modals only (docs: file input element).
func inputElement(c *checker, at string, v any) {
	kinds := []string{
		"plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input", "static_select",
		"multi_static_select", "users_select", "multi_users_select", "conversations_select", "multi_conversations_select",
		"channels_select", "multi_channels_select", "external_select", "multi_external_select", "datepicker", "timepicker",
		"datetimepicker", "checkboxes", "radio_buttons",
	}
	if c.where == InModal {
		kinds = append(kinds, "file_input")
	}
	element(kinds...)(c, at, v)
}

// elementShapes returns the block elements with their limits (docs: Block Kit elements). All but
// text and images also take an action_id.
func elementShapes() map[string]shape {
	focus := fields{"focus_on_load": flag, "placeholder": text(150, plain)}
	with := func(more fields) fields {
		maps.Copy(more, focus)
		return more
	}
	typing := func(more fields) fields {
		more["initial_value"], more["dispatch_action_config"] = letters(0, 3000), dispatchAction
		return with(more)
	}
	ids := list(0, 100, letters(1, maxID))
	filter := shape{may: fields{
		"include": list(1, 4, oneOf("im", "mpim", "private", "public")), "exclude_external_shared_channels": flag,
		"exclude_bot_users": flag,
	}}.check
	menu := fields{"options": list(1, 100, option(plain)), "option_groups": list(1, 100, optionGroup), "confirm": confirm}
	choices := func(most int) fields { return fields{"options": list(1, most, option(plain, mrkdwn))} }
	menuWith := func(more fields) fields {
		maps.Copy(more, menu)
		return with(more)
	}
	return map[string]shape{
		plain:  {need: fields{"text": shown(1, 3000)}, may: fields{"emoji": flag}},
		mrkdwn: {need: fields{"text": shown(1, 3000)}, may: fields{"verbatim": flag}},
		"image": {
			need: fields{"alt_text": shown(1, 2000)},
			may:  fields{"image_url": letters(1, 3000), "slack_file": slackFile}, also: eitherImage,
		},
		"button": {need: fields{"text": text(75, plain)}, may: fields{
			"url": letters(0, 3000), "value": letters(0, 2000), "style": oneOf("primary", "danger"), "confirm": confirm,
			"accessibility_label": letters(0, 75), "visible_to_user_ids": ids,
		}},
		"icon_button": {need: fields{"text": text(75, plain), "icon": oneOf("trash")}, may: fields{
			"value": letters(0, 2000), "confirm": confirm, "accessibility_label": letters(0, 75), "visible_to_user_ids": ids,
		}},
		"feedback_buttons": {need: fields{"positive_button": feedback, "negative_button": feedback}},
		"overflow":         {need: fields{"options": list(2, 5, option(plain))}, may: fields{"confirm": confirm}},
		"static_select":    {may: menuWith(fields{"initial_option": option(plain)}), also: menuRules},
		"multi_static_select": {also: menuRules, may: menuWith(fields{
			"initial_options": list(1, 100, option(plain)), "max_selected_items": number(1, 100),
		})},
		"external_select": {may: with(fields{
			"initial_option": option(plain), "min_query_length": number(0, 1000), "confirm": confirm,
		})},
		"multi_external_select": {may: with(fields{
			"initial_options": list(1, 100, option(plain)), "min_query_length": number(0, 1000),
			"max_selected_items": number(1, 100), "confirm": confirm,
		})},
		"users_select":       {may: with(fields{"initial_user": letters(1, maxID), "confirm": confirm})},
		"multi_users_select": {may: with(fields{"initial_users": ids, "max_selected_items": number(1, 100), "confirm": confirm})},
		"conversations_select": {may: with(fields{
			"initial_conversation": letters(1, maxID), "default_to_current_conversation": flag, "confirm": confirm,
			"response_url_enabled": flag, "filter": filter,
		})},
		"multi_conversations_select": {may: with(fields{
			"initial_conversations": ids, "default_to_current_conversation": flag, "confirm": confirm,
			"max_selected_items": number(1, 100), "filter": filter,
		})},
		"channels_select": {may: with(fields{
			"initial_channel": letters(1, maxID), "confirm": confirm, "response_url_enabled": flag,
		})},
		"multi_channels_select": {may: with(fields{
			"initial_channels": ids, "confirm": confirm, "max_selected_items": number(1, 100),
		})},
		"datepicker":     {may: with(fields{"initial_date": letters(10, 10), "confirm": confirm})},
		"timepicker":     {may: with(fields{"initial_time": letters(5, 5), "confirm": confirm, "timezone": letters(1, maxID)})},
		"datetimepicker": {may: fields{"initial_date_time": number(0, 9_999_999_999), "confirm": confirm, "focus_on_load": flag}},
		"checkboxes": {need: choices(10), also: chosenAmong, may: fields{
			"initial_options": list(1, 10, option(plain, mrkdwn)), "confirm": confirm, "focus_on_load": flag,
		}},
		"radio_buttons": {need: choices(10), also: chosenAmong, may: fields{
			"initial_option": option(plain, mrkdwn), "confirm": confirm, "focus_on_load": flag,
		}},
		"plain_text_input": {also: typedLength, may: typing(fields{
			"multiline": flag, "min_length": number(0, 3000), "max_length": number(1, 3000),
		})},
		"email_text_input": {may: typing(fields{})},
		"url_text_input":   {may: typing(fields{})},
		"number_input": {need: fields{"is_decimal_allowed": flag}, may: typing(fields{
			"min_value": letters(0, maxID), "max_value": letters(0, maxID),
		})},
		"rich_text_input": {may: with(fields{"initial_value": richTextBlock, "dispatch_action_config": dispatchAction})},
		"file_input":      {may: fields{"filetypes": list(1, 100, letters(1, maxID)), "max_files": number(1, 10)}},
	}
}

func feedback(c *checker, at string, v any) {
	shape{
		need: fields{"text": text(75, plain), "value": letters(1, 2000)}, may: fields{"accessibility_label": letters(0, 75)},
	}.check(c, at, v)
}

func dispatchAction(c *checker, at string, v any) {
	shape{may: fields{
		"trigger_actions_on": list(1, 2, oneOf("on_enter_pressed", "on_character_entered")),
	}}.check(c, at, v)
}
