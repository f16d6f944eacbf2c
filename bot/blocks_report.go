package bot

import (
	"fmt"
	"strings"

	"github.com/countersign/countersign/report"
)

// reportList shows the reports with their latest and their next run.
func reportList(list []report.Status) message {
	if len(list) == 0 {
		return said("No reports are set up (settings, reports).")
	}
	var out []string
	for i, s := range list {
		if i == reportLines {
			out = append(out, fmt.Sprintf("and %s more", number(len(list)-i)))
			break
		}
		line := fmt.Sprintf("• %s %s", coded(s.Name, tableCell), quoted(string(s.Kind), tableCell))
		if !s.Kind.Supported() {
			out = append(out, line+": not supported yet")
			continue
		}
		if s.Live != nil {
			line += ", " + liveWords(*s.Live)
		}
		if s.Last != nil {
			word := "made"
			if s.Last.Failed {
				word = "failed"
			}
			line += ", last " + word + " " + moment(s.Last.At)
		}
		if !s.Next.IsZero() {
			line += ", next " + moment(s.Next)
		}
		out = append(out, line)
	}
	return said(strings.Join(out, "\n"))
}

func liveWords(r report.Run) string {
	if r.State == report.RunWaiting && r.Attempts > 0 {
		return "failed (" + quoted(r.Reason, tableCell) + "), tried again " + moment(r.NextTry)
	}
	return "being made"
}

// headShown is how many digits of a hash a message shows: 128 bits, too many for anybody to make another log that has them.
const headShown = 32

// logHead is the line that makes a message an anchor of the log outside the database (countersign audit verify --head).
func logHead(h report.LogHead) string {
	if h.Seq == 0 {
		return ""
	}
	return fmt.Sprintf("\nLog head: event %d, `%s…`", h.Seq, h.Hash[:min(len(h.Hash), headShown)])
}

// resultText is a result in a few words: headline numbers and what is different from the time before, or why it failed;
// and the head of the log.
func resultText(r report.Result) string { return resultWords(r) + logHead(r.Log) }

func resultWords(r report.Result) string {
	head := fmt.Sprintf("*%s* %s", quoted(r.Report, tableCell), quoted(r.Date, tableCell))
	if r.Failed {
		return ":warning: " + head + " could not be made: " + quoted(r.Reason, reasonText) + ". What was recorded before stays."
	}
	before := r.Before
	if before == nil {
		before = &r.Counts
	}
	parts := []string{
		counted(r.Accounts, before.Accounts, "account", "accounts"), counted(r.Active, before.Active, "active", "active"),
		counted(r.Inactive, before.Inactive, "deactivated", "deactivated"),
	}
	if closed, was := closed(r.Counts), closed(*before); closed > 0 || was > 0 {
		parts = append(parts, counted(closed, was, "closed", "closed"))
	}
	parts = append(parts, counted(r.Billable, before.Billable, "billable", "billable"))
	text := head + ": " + strings.Join(parts, " · ")
	if r.By != "" {
		text += ", asked for by " + mention(r.By)
	}
	return text
}

// closed are the accounts that are neither active nor deactivated: deleted, or in their days of grace.
func closed(c report.Counts) int { return c.Accounts - c.Active - c.Inactive }

// counted is a number and its difference from the time before, where there is one.
func counted(n, before int, one, more string) string {
	text := "*" + number(n) + "* "
	if n == 1 {
		text += one
	} else {
		text += more
	}
	switch {
	case n > before:
		text += " (+" + number(n-before) + ")"
	case n < before:
		text += " (−" + number(before-n) + ")"
	}
	return text
}
