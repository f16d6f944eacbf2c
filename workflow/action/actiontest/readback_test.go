package actiontest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow/action"
)

// reads reports whether a request only reads.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/search") || strings.HasSuffix(r.URL.Path, "/workspaces")
}

// What a change came to is read again where a reading of it goes wrong for a moment, whichever of the readings it is: no
// action takes one answer for the last word on a call that was accepted.
func TestAReadingThatGoesWrongBehindTheCall(t *testing.T) {
	for name, fault := range map[string]*organisation.Fault{
		"404":          {Status: http.StatusNotFound},
		"503":          {Status: http.StatusServiceUnavailable},
		"200 and {}":   {Status: http.StatusOK, Body: `{}`},
		"200 and none": {Status: http.StatusOK, Body: `{"data":[]}`},
		"200, no list": {Status: http.StatusOK, Body: `{"code":500}`},
		"429":          {Status: http.StatusTooManyRequests},
	} {
		for _, act := range action.Catalogue() {
			for nth := 1; nth <= 4; nth++ { // the reading that goes wrong, counted from the first accepted call
				t.Run(fmt.Sprintf("%s %s %d", act.Name, name, nth), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						e := newEnv(t)
						row, _ := e.row(act)
						plan := e.check(row)
						var mu sync.Mutex
						sent, seen := false, 0
						e.fail(func(r *http.Request) *organisation.Fault {
							mu.Lock()
							defer mu.Unlock()
							if !reads(r) {
								sent = true
								return nil
							}
							if sent {
								if seen++; seen == nth {
									return fault
								}
							}
							return nil
						}, nil)
						changes := e.run(plan)
						for _, c := range changes {
							if c.State != "done" {
								t.Errorf("%s, reading %d is %s: the row is %s: %s", act.Name, nth, name, c.State, c.Reason.Words())
							}
						}
					})
				})
			}
		}
	}
}
