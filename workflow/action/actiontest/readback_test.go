package actiontest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/plan"
)

// reads reports whether a request only reads.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/search") || strings.HasSuffix(r.URL.Path, "/workspaces")
}

// passing are answers to a reading that say nothing of what it is about, for a moment.
var passing = map[string]*organisation.Fault{
	"404":          {Status: http.StatusNotFound},
	"503":          {Status: http.StatusServiceUnavailable},
	"200 and {}":   {Status: http.StatusOK, Body: `{}`},
	"200 and none": {Status: http.StatusOK, Body: `{"data":[]}`},
	"200, no list": {Status: http.StatusOK, Body: `{"code":500}`},
	"429":          {Status: http.StatusTooManyRequests},
}

// misreads runs a plan of which one reading goes wrong, counted from the first call.
func (e *env) misreads(made *plan.Plan, nth int, fault *organisation.Fault) {
	e.t.Helper()
	var mu sync.Mutex
	sent, seen := false, 0
	e.fail(func(r *http.Request) *organisation.Fault {
		mu.Lock()
		defer mu.Unlock()
		if !reads(r) {
			sent = true
			return nil
		}
		if !sent {
			return nil
		}
		if seen++; seen == nth {
			return fault
		}
		return nil
	}, nil)
	for _, c := range e.run(made) {
		if c.State != workflow.ChangeDone {
			e.t.Errorf("the row is %s: %s", c.State, c.Reason.Words())
		}
	}
}

// What a change came to is read again where a reading of it goes wrong for a moment, whichever of the readings it is: no
// action takes one answer for the last word on a call that was accepted.
func TestAReadingThatGoesWrongBehindTheCall(t *testing.T) {
	for name, fault := range passing {
		for _, act := range action.Catalogue() {
			for nth := 1; nth <= 4; nth++ {
				t.Run(fmt.Sprintf("%s %s %d", act.Name, name, nth), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						e := newEnv(t)
						row, _ := e.row(act)
						e.misreads(e.check(row), nth, fault)
					})
				})
			}
		}
	}
}

// The same of what is changed in a SCIM directory of ours.
func TestAReadingThatGoesWrongAtSCIM(t *testing.T) {
	for name, fault := range passing {
		for _, row := range []workflow.Row{
			rowOf(workflow.Rename, "new_email", "new@example.com"), rowOf(workflow.SetName, "new_name", "C. Second"), rowOf(workflow.Deactivate),
		} {
			for nth := 1; nth <= 4; nth++ {
				t.Run(fmt.Sprintf("%s %s %d", row.Action, name, nth), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						e := newEnv(t)
						e.held(scimOurs)
						made := e.check(row)
						if made.Ready() != 1 || made.Steps()[0].Place != workflow.PlaceSCIM {
							t.Fatalf("the row is %s: %s", made.Changes[0].State, made.Changes[0].Reason.Words())
						}
						e.misreads(made, nth, fault)
					})
				})
			}
		}
	}
}
