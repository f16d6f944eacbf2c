package workflow_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// Counts are written in one way wherever people read them.
func TestCountsHaveOneForm(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234: "-1,234", 1234567: "1,234,567"} {
		if got := workflow.Number(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
	limit := workflow.NewReason(workflow.ReasonDayLimit, "all", "5000", "4999", "1200").Words()
	for what, words := range map[string][]string{
		limit: {"5,000 accounts", "4,999 already", "has 1,200"},
		(&workflow.LimitError{Rows: 12000, Limit: 5000}).Error(): {"12,000 rows", "5,000"},
	} {
		for _, want := range words {
			if !strings.Contains(what, want) {
				t.Errorf("%q does not say %q", what, want)
			}
		}
	}
}
