package workspace

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

func richTextBlock(c *checker, at string, v any) {
	shape{need: fields{"type": oneOf("rich_text"), "elements": list(0, 1000, richText)}}.check(c, at, v)
}

// richText is a part of a rich_text block: a section, list, quote or preformatted text.
func richText(c *checker, at string, v any) {
	inside := list(0, 1000, inline)
	section := typed("rich text", nil, map[string]shape{"rich_text_section": {need: fields{"elements": inside}}})
	typed("rich text", fields{}, map[string]shape{
		"rich_text_section": {need: fields{"elements": inside}},
		"rich_text_preformatted": {
			need: fields{"elements": inside}, may: fields{"border": number(0, 1), "language": letters(1, maxID)},
		},
		"rich_text_quote": {need: fields{"elements": inside}, may: fields{"border": number(0, 1)}},
		"rich_text_list": {
			need: fields{"elements": list(0, 1000, section), "style": oneOf("bullet", "ordered")},
			may:  fields{"indent": number(0, 8), "offset": number(0, 1_000_000), "border": number(0, 1)},
		},
	})(c, at, v)
}

// inline is a piece of rich text.
func inline(c *checker, at string, v any) {
	style := shape{may: fields{
		"bold": flag, "italic": flag, "strike": flag, "code": flag, "underline": flag, "highlight": flag,
		"client_highlight": flag, "unlink": flag,
	}}.check
	id := letters(1, maxID)
	typed("rich text", fields{"style": style}, map[string]shape{
		"text": {need: fields{"text": shown(1, maxText)}},
		"link": {need: fields{"url": letters(1, 3000)}, may: fields{"text": shown(0, maxText), "unsafe": flag}},
		"emoji": {
			need: fields{"name": letters(1, maxEmojiName)},
			may:  fields{"unicode": id, "skin_tone": number(1, 6), "url": letters(1, 3000)},
		},
		"user":      {need: fields{"user_id": id}},
		"usergroup": {need: fields{"usergroup_id": id}},
		"channel":   {need: fields{"channel_id": id}},
		"team":      {need: fields{"team_id": id}},
		"color":     {need: fields{"value": id}},
		"broadcast": {need: fields{"range": oneOf("here", "channel", "everyone")}},
		"date": {
			need: fields{"timestamp": number(0, 99_999_999_999), "format": letters(1, maxID)},
			may:  fields{"url": letters(1, 3000), "fallback": letters(0, maxID)},
		},
	})(c, at, v)
}

// cell is a table cell. Its letters count for the cells and for the message; an empty text is
// refused, as it was by Slack.
func cell(c *checker, at string, v any) {
	if v == nil {
		return // an empty cell
	}
	before := c.letters
	typed("cell", nil, map[string]shape{
		"raw_text": {need: fields{"text": shown(1, maxCellText)}},
		"raw_number": {need: fields{"value": func(c *checker, at string, v any) {
			float(c, at, v)
			if n, is := v.(json.Number); is {
				c.letters += utf8.RuneCountInString(n.String())
			}
		}}, may: fields{"text": shown(1, maxCellText)}},
		"rich_text": {need: fields{"elements": list(0, 1000, richText)}},
	})(c, at, v)
	c.cells += c.letters - before
}

func column(c *checker, at string, v any) {
	if v != nil {
		shape{may: fields{"align": oneOf("left", "center", "right"), "is_wrapped": flag}}.check(c, at, v)
	}
}

// chart is what a data_visualization block draws (limits of slack-go's Validate; the docs were not
// read).
func chart(c *checker, at string, v any) {
	point := shape{need: fields{"label": shown(1, 20), "value": float}}
	positive := point
	positive.also = func(c *checker, at string, v any) {
		value, _ := v.(map[string]any)["value"].(json.Number)
		if n, err := value.Float64(); err == nil && n <= 0 {
			c.fail(at+"/value", "must be more than 0")
		}
	}
	series := shape{need: fields{"name": shown(1, 20), "data": list(1, 20, point.check)}}
	axis := shape{
		need: fields{"categories": list(1, 20, shown(1, 20))},
		may:  fields{"x_label": shown(0, 50), "y_label": shown(0, 50)},
	}
	lines := shape{need: fields{"series": list(1, 6, series.check), "axis_config": axis.check}, also: pointPerCategory}
	typed("chart", nil, map[string]shape{
		"pie": {need: fields{"segments": list(1, 6, positive.check)}}, "bar": lines, "line": lines, "area": lines,
	})(c, at, v)
}

// pointPerCategory refuses a series that has a point too many or too few (docs: data visualization
// block), and two series of one name.
func pointPerCategory(c *checker, at string, v any) {
	object := v.(map[string]any) // shape.check gives objects only
	axis, _ := object["axis_config"].(map[string]any)
	categories, _ := axis["categories"].([]any)
	series, _ := object["series"].([]any)
	names := make(map[any]bool)
	for i, one := range series {
		one, _ := one.(map[string]any)
		data, _ := one["data"].([]any)
		seen := make(map[any]bool)
		for _, point := range data {
			point, _ := point.(map[string]any)
			seen[point["label"]] = true
		}
		fits := len(data) == len(categories)
		for _, category := range categories {
			fits = fits && seen[category]
		}
		if !fits {
			c.fail(at+"/series/"+strconv.Itoa(i)+"/data", "must have one point for each category")
		}
		if names[one["name"]] {
			c.fail(at+"/series/"+strconv.Itoa(i)+"/name", "must be unique: %v", one["name"])
		}
		names[one["name"]] = true
	}
}
