package actiontest_test

import (
	"testing"

	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/action/actiontest"
)

func TestCatalogue(t *testing.T) {
	for _, name := range action.Names() {
		action, _ := action.For(name)
		t.Run(string(name), func(t *testing.T) { actiontest.Run(t, action) })
	}
}
