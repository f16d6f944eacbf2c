package speed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// What a change may take in calls of a request of many rows, while it is checked and after its approval, proof included.
func TestCallsOfActions(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hundreds of rows take long under the race detector")
	}
	const rows = 300
	who := func(i int) string { return employeeID(i) + "," + employee(i).Email }
	for name, tt := range map[string]struct {
		header     string
		row        func(i int) string
		check, run float64
	}{
		"group-add": {
			"action,account_id,old_email,group\n", func(i int) string { return fmt.Sprintf("group-add,%s,team-%d", who(i), (i+3)%groupsOfAll) }, 1.2, 3.05,
		},
		"group-remove": {
			"action,account_id,old_email,group\n", func(i int) string { return fmt.Sprintf("group-remove,%s,team-%d", who(i), i%groupsOfAll) }, 1.2, 4.05,
		},
		"suspend": {"action,account_id,old_email\n", func(i int) string { return "suspend," + who(i) }, 1.2, 3.05},
		"invite":  {"action,email\n", func(i int) string { return fmt.Sprintf("invite,new.%d@northwind.example", i) }, 0.2, 0.4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newLeavers(t, free, rows)
				var file strings.Builder
				file.WriteString(tt.header)
				for i := range rows {
					file.WriteString(tt.row(i) + "\n")
				}
				o := w.play([]byte(file.String()), rows)
				t.Log(o)
				if o.checking() > tt.check || o.running() > tt.run {
					t.Errorf("want %.2f calls a change at most while checking, and %.2f after approval", tt.check, tt.run)
				}
			})
		})
	}
}
