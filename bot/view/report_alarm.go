package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
)

// Alarmed puts the alarm of a report in front of its message and calls the admins (ids of people and
// user groups); a report that is like any other stays as it is.
func Alarmed(m slackapi.Message, shown report.Message, admins []string) slackapi.Message {
	if shown.Alarm == "" {
		return m
	}
	text := ":rotating_light: *Alarm* " + quoted(shown.Alarm, reasonText)
	if len(admins) > 0 {
		text += " " + mentions(admins[:min(len(admins), adminsCalled)])
	}
	m.Text = text + "\n" + m.Text
	m.Blocks = slices.Insert(slices.Clone(m.Blocks), 0, section("alarm", text))
	return m
}

// ReportDiff shows what two nights show otherwise: the numbers, and the rows that are most worth a look.
func ReportDiff(d report.Diff, file DirectFile) slackapi.Message {
	parts := make([]string, 0, len(d.Headline))
	for _, h := range d.Headline {
		parts = append(parts, counted(h.Number, h.Before, h.One, h.Many))
	}
	lines := []string{
		fmt.Sprintf("*%s* from %s to %s: %s", quoted(d.Report, tableCell), d.Date.Format(time.DateOnly), d.Later.Format(time.DateOnly),
			strings.Join(parts, " · ")),
		quoted(d.Message.Look, reasonText),
	}
	if t := d.Message.Table; t != nil {
		for _, row := range t.Rows {
			lines = append(lines, fmt.Sprintf("• %s: %s %s → %s: %s", quoted(row[0], tableCell), quoted(row[1], tableCell),
				quoted(cmp.Or(row[2], "–"), tableCell), quoted(cmp.Or(row[3], "–"), tableCell), quoted(row[4], tableCell)))
		}
		if more := t.Of - len(t.Rows); more > 0 {
			rest := "and " + number(more) + " more"
			if file.Err == nil {
				rest += " in the file"
			}
			lines = append(lines, rest)
		}
	}
	return withFile(Said(strings.Join(lines, "\n")), file)
}
