package contract

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// schemas resolves references within one document.
type schemas struct{ root object }

// resolve follows $ref until it is at something else.
func (s schemas) resolve(value any) (object, error) {
	for {
		current, isObject := value.(object)
		if !isObject {
			return nil, fmt.Errorf("resolve schema: %v is no object", value)
		}
		way, isReference := current["$ref"].(string)
		if !isReference {
			return current, nil
		}
		var target any = s.root
		for step := range strings.SplitSeq(strings.TrimPrefix(way, "#/"), "/") {
			inner, _ := target.(object)
			if target = inner[step]; target == nil {
				return nil, fmt.Errorf("resolve schema: %s leads nowhere", way)
			}
		}
		value = target
	}
}

// checker compares values with schemas and collects what does not fit.
type checker struct {
	schemas
	partial  bool // required properties may be missing
	problems []string
}

func (c *checker) report(at, format string, arguments ...any) {
	c.problems = append(c.problems, at+": "+fmt.Sprintf(format, arguments...))
}

// check compares a decoded value with a schema. closed says that names which the schema does not
// declare are problems; the parts of an allOf are not closed, as each knows only its own names.
func (c *checker) check(declared any, value any, at string, closed bool) {
	schema, err := c.resolve(declared)
	if err != nil {
		c.report(at, "%v", err)
		return
	}
	if value == nil {
		if beside, _ := declared.(object); schema["nullable"] != true && beside["nullable"] != true {
			c.report(at, "is null")
		}
		return
	}
	if values, isEnum := schema["enum"].([]any); isEnum && !slices.Contains(values, value) {
		c.report(at, "%v is none of %v", value, values)
	}
	if !c.kind(schema, value, at) {
		return
	}
	if parts, isAll := schema["allOf"].([]any); isAll {
		for _, part := range parts {
			c.check(part, value, at, false)
		}
	}
	for _, word := range []string{"oneOf", "anyOf"} {
		if branches, given := schema[word].([]any); given {
			c.branch(schema, branches, value, at, closed)
		}
	}
	switch value := value.(type) {
	case object:
		c.object(schema, value, at, closed)
	case []any:
		c.list(schema, value, at)
	case string:
		c.text(schema, value, at)
	case json.Number:
		c.number(schema, value, at)
	}
}

// kind compares the type; it reports false where nothing else is worth checking.
func (c *checker) kind(schema object, value any, at string) bool {
	wanted := text(schema["type"])
	is := ""
	switch value := value.(type) {
	case object:
		is = "object"
	case []any:
		is = "array"
	case string:
		is = "string"
	case bool:
		is = "boolean"
	case json.Number:
		is = "number"
		if _, err := value.Int64(); err == nil && wanted == "integer" {
			is = "integer"
		}
	}
	if wanted != "" && wanted != is {
		c.report(at, "is %s, want %s", is, wanted)
		return false
	}
	return true
}

// branch finds the branch of a oneOf or anyOf that fits: the one that the discriminator names, or
// any.
func (c *checker) branch(schema object, branches []any, value any, at string, closed bool) {
	if discriminator, given := schema["discriminator"].(object); given {
		fields, _ := value.(object)
		mapping, _ := discriminator["mapping"].(object)
		if way, named := mapping[fmt.Sprint(fields[text(discriminator["propertyName"])])]; named {
			c.check(object{"$ref": way}, value, at, closed)
			return
		}
	}
	var nearest []string
	for _, branch := range branches {
		tried := &checker{schemas: c.schemas, partial: c.partial}
		tried.check(branch, value, at, closed)
		if len(tried.problems) == 0 {
			return
		}
		if nearest == nil || len(tried.problems) < len(nearest) {
			nearest = tried.problems
		}
	}
	c.problems = append(c.problems, nearest...)
}

func (c *checker) object(schema, value object, at string, closed bool) {
	if required, _ := schema["required"].([]any); !c.partial {
		for _, name := range required {
			if _, given := value[text(name)]; !given {
				c.report(at, "%v is missing", name)
			}
		}
	}
	c.bound(schema, "Properties", len(value), at)
	properties, _ := schema["properties"].(object)
	names, open := c.names(schema)
	if schema["oneOf"] != nil || schema["anyOf"] != nil {
		closed = false // the branch has looked
	}
	for name, inner := range value {
		where := at + "." + name
		switch declared, known := properties[name]; {
		case known:
			c.check(declared, inner, where, true)
		case schema["additionalProperties"] != nil && schema["additionalProperties"] != true:
			if more, isSchema := schema["additionalProperties"].(object); isSchema {
				c.check(more, inner, where, true)
			} else {
				c.report(where, "is not declared")
			}
		case closed && !open && !slices.Contains(names, name):
			c.report(where, "is not declared")
		}
	}
}

// names returns all property names that a schema and its parts declare. open: any others are
// welcome, which is so where none are declared at all.
func (c *checker) names(declared any) (names []string, open bool) {
	schema, err := c.resolve(declared)
	if err != nil {
		return nil, true
	}
	properties, _ := schema["properties"].(object)
	for name := range properties {
		names = append(names, name)
	}
	more, limited := schema["additionalProperties"]
	open = limited && more != false
	for _, word := range []string{"allOf", "oneOf", "anyOf"} {
		parts, _ := schema[word].([]any)
		for _, part := range parts {
			inner, _ := c.names(part)
			names = append(names, inner...)
		}
	}
	return names, open || len(names) == 0
}

func (c *checker) list(schema object, value []any, at string) {
	c.bound(schema, "Items", len(value), at)
	if schema["uniqueItems"] == true {
		seen := make(map[string]bool)
		for _, each := range value {
			written, _ := json.Marshal(each)
			if seen[string(written)] {
				c.report(at, "%s is there twice", written)
			}
			seen[string(written)] = true
		}
	}
	if schema["items"] == nil {
		return
	}
	for i, each := range value {
		c.check(schema["items"], each, fmt.Sprintf("%s[%d]", at, i), true)
	}
}

func (c *checker) text(schema object, value, at string) {
	c.bound(schema, "Length", utf8.RuneCountInString(value), at)
	if pattern := text(schema["pattern"]); pattern != "" {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			c.report(at, "pattern of the document: %v", err)
		} else if !compiled.MatchString(value) {
			c.report(at, "%q does not match %s", value, pattern)
		}
	}
	if schema["format"] == "date-time" {
		if _, err := time.Parse(time.RFC3339Nano, value); err != nil {
			c.report(at, "%q is no date-time", value)
		}
	}
}

func (c *checker) number(schema object, value json.Number, at string) {
	given, _ := value.Float64()
	if least, limited := schema["minimum"].(json.Number); limited {
		if bound, _ := least.Float64(); given < bound {
			c.report(at, "%s is below %s", value, least)
		}
	}
	if most, limited := schema["maximum"].(json.Number); limited {
		if bound, _ := most.Float64(); given > bound {
			c.report(at, "%s is above %s", value, most)
		}
	}
}

// bound compares a size with minItems and maxItems, minLength and maxLength, minProperties and
// maxProperties.
func (c *checker) bound(schema object, what string, size int, at string) {
	for _, side := range []string{"min", "max"} {
		number, limited := schema[side+what].(json.Number)
		if !limited {
			continue
		}
		limit, err := number.Int64()
		if err == nil && (side == "min" && int64(size) < limit || side == "max" && int64(size) > limit) {
			c.report(at, "%d is beyond %s%s %d", size, side, what, limit)
		}
	}
}
