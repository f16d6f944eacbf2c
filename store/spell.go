package store

import (
	"strconv"

	"github.com/countersign/countersign/workflow"
)

// What is hashed by the hundred thousand is spelled here without reflection, to the letter as Canonical spells it.

// AppendText appends a text as Canonical spells it.
func AppendText(out []byte, s string) []byte {
	if !plain(s) {
		return append(out, Text(s)...)
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}

// plain reports whether nothing in a text is escaped.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// AppendValues appends an object of values.
func AppendValues[K ~string](out []byte, v workflow.ValuesBy[K]) []byte {
	out = append(out, '{')
	begin := len(out)
	for key, value := range v.All() {
		if len(out) > begin {
			out = append(out, ',')
		}
		out = AppendText(out, string(key))
		out = append(out, ':')
		out = AppendText(out, value)
	}
	return append(out, '}')
}

func appendTexts(out []byte, list []string) []byte {
	if list == nil {
		return append(out, "null"...)
	}
	out = append(out, '[')
	for i, s := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = AppendText(out, s)
	}
	return append(out, ']')
}

// appendAsked appends a row as it was asked for, Sealed.
func appendAsked(out []byte, asked *workflow.Row) []byte {
	sealed := Sealed(asked)
	r := &sealed
	out = strconv.AppendInt(append(out, `{"line":`...), int64(r.Line), 10)
	if r.Action != "" {
		out = AppendText(append(out, `,"action":`...), string(r.Action))
	}
	if len(r.Values) > 0 {
		out = AppendValues(append(out, `,"values":`...), r.Values)
	}
	if len(r.Cells) > 0 {
		out = appendTexts(append(out, `,"cells":`...), r.Cells)
	}
	if r.Ignored != "" {
		out = AppendText(append(out, `,"ignored":`...), r.Ignored)
	}
	if r.Problem != "" {
		out = AppendText(append(out, `,"problem":`...), r.Problem)
	}
	return append(out, '}')
}

// appendRow appends the line of a row that the checksum of a plan is made of.
func appendRow(out []byte, c *workflow.Change) []byte {
	out = AppendText(append(out, `{"account_id":`...), c.AccountID)
	out = AppendText(append(out, `,"action":`...), string(c.Action))
	out = AppendText(append(out, `,"effects":`...), EffectsText(c.Effects))
	if len(c.Expect) > 0 {
		out = AppendValues(append(out, `,"expect":`...), c.Expect)
	}
	out = AppendText(append(out, `,"name":`...), c.Name)
	if len(c.Steps) == 0 {
		out = appendOutcome(append(out, `,"outcome":`...), OutcomeOf(c))
	}
	out = strconv.AppendInt(append(out, `,"row":`...), int64(c.Row), 10)
	if len(c.Set) > 0 {
		out = AppendValues(append(out, `,"set":`...), c.Set)
	}
	for i := range c.Steps {
		begin := `,"steps":[`
		if i > 0 {
			begin = ","
		}
		out = appendStep(append(out, begin...), &c.Steps[i])
	}
	if len(c.Steps) > 0 {
		out = append(out, ']')
	}
	return append(out, '}')
}

func appendStep(out []byte, s *workflow.Step) []byte {
	out = strconv.AppendInt(append(out, `{"seq":`...), int64(s.Seq), 10)
	if s.After != 0 {
		out = strconv.AppendInt(append(out, `,"after":`...), int64(s.After), 10)
	}
	if s.Bundle != 0 {
		out = strconv.AppendInt(append(out, `,"bundle":`...), int64(s.Bundle), 10)
	}
	out = strconv.AppendInt(append(out, `,"row":`...), int64(s.Row), 10)
	out = AppendText(append(out, `,"action":`...), string(s.Action))
	out = AppendText(append(out, `,"place":`...), string(s.Place))
	if s.Directory != "" {
		out = AppendText(append(out, `,"directory":`...), s.Directory)
	}
	if s.Site != "" {
		out = AppendText(append(out, `,"site":`...), s.Site)
	}
	out = AppendText(append(out, `,"account_id":`...), s.AccountID)
	if s.At != "" {
		out = AppendText(append(out, `,"at":`...), s.At)
	}
	if s.Until != "" {
		out = AppendText(append(out, `,"until":`...), s.Until)
	}
	if len(s.Expect) > 0 {
		out = AppendValues(append(out, `,"expect":`...), s.Expect)
	}
	if len(s.Set) > 0 {
		out = AppendValues(append(out, `,"set":`...), s.Set)
	}
	return append(out, '}')
}

func appendOutcome(out []byte, o Outcome) []byte {
	out = AppendText(append(out, `{"state":`...), o.State)
	out = AppendText(append(out, `,"outcomes":`...), o.Outcomes)
	out = AppendText(append(out, `,"code":`...), o.Code)
	out = appendTexts(append(out, `,"facts":`...), o.Facts)
	out = strconv.AppendInt(append(out, `,"attempts":`...), int64(o.Attempts), 10)
	out = strconv.AppendBool(append(out, `,"back":`...), o.Back)
	out = AppendText(append(out, `,"called":`...), o.Called)
	out = AppendText(append(out, `,"finished":`...), o.Finished)
	return append(out, '}')
}
