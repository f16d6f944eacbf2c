package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// What would last longer than it can be taken back is refused, in a request as in its check.
func TestADeletionLastsThirteenDaysAtMost(t *testing.T) {
	const day = 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, workflowtest.NewOrganisation(), nil)
		in := func(days time.Duration) time.Time { return time.Now().Add(days * day) }
		for _, test := range []struct {
			name    string
			csv     string
			when    workflow.When
			refused bool
		}{
			{"13 days", "action,account_id\ndelete,a1\n", workflow.When{For: 13 * day}, false},
			{"a second more", "action,account_id\ndelete,a1\n", workflow.When{For: 13*day + time.Second}, true},
			{"until", "action,account_id\ndelete,a1\n", workflow.When{Until: in(14)}, true},
			{"from a time on", "action,account_id\ndelete,a1\n", workflow.When{At: in(30), Until: in(43)}, false},
			{"too long from a time on", "action,account_id\ndelete,a1\n", workflow.When{At: in(30), Until: in(44)}, true},
			{"one row of several", "action,account_id\ndeactivate,a1\ndelete,a2\n", workflow.When{For: 20 * day}, true},
			{"another action", "action,account_id\ndeactivate,a1\n", workflow.When{For: 20 * day}, false},
		} {
			req := workflow.Request{
				Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "x.csv"},
				Original: []byte(test.csv), Sheet: sheetOf(t, test.csv), When: test.when,
			}
			_, asked := d.engine.Submit(t.Context(), hana, req)
			_, checked := d.engine.Preview(t.Context(), hana, req)
			for _, err := range []error{asked, checked} {
				if when, is := errors.AsType[*workflow.WhenError](err); is != test.refused {
					t.Errorf("%s: %v (%v), refused: want %v", test.name, err, when, test.refused)
				}
			}
		}
	})
}
