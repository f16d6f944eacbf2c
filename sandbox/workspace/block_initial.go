package workspace

import (
	"strconv"
	"unicode/utf8"
)

// What an element begins with has to be something that a person could have put there: an option that
// the element has, the same in all its parts, and a text of the length that it takes (docs: the page of
// each element, initial_option, initial_options, initial_value).

// chosenAmong refuses initial options that are none of the element's.
func chosenAmong(c *checker, at string, v any) {
	object := v.(map[string]any) // shape.check gives objects only
	offered := map[string]bool{}
	add := func(options any) {
		all, _ := options.([]any)
		for _, each := range all {
			offered[string(encode(each))] = true
		}
	}
	add(object["options"])
	groups, _ := object["option_groups"].([]any)
	for _, group := range groups {
		if group, is := group.(map[string]any); is {
			add(group["options"])
		}
	}
	if one := object["initial_option"]; one != nil && !offered[string(encode(one))] {
		c.fail(at+"/initial_option", "must be one of the options")
	}
	several, _ := object["initial_options"].([]any)
	for i, one := range several {
		if !offered[string(encode(one))] {
			c.fail(at+"/initial_options/"+strconv.Itoa(i), "must be one of the options")
		}
	}
}

// menuRules are those of a menu whose options are given.
func menuRules(c *checker, at string, v any) {
	eitherOptions(c, at, v)
	chosenAmong(c, at, v)
}

// typedLength refuses a text to begin with that is shorter or longer than what may be typed.
func typedLength(c *checker, at string, v any) {
	object := v.(map[string]any) // shape.check gives objects only
	initial, is := object["initial_value"].(string)
	if !is || initial == "" {
		return
	}
	if words := wrongLength(object, initial); words != "" {
		c.fail(at+"/initial_value", "must be of min_length to max_length characters, has %d", utf8.RuneCountInString(initial))
	}
}
