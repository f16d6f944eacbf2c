package engine_test

import (
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// Whoever looks for an account that no batch may touch is told so, and not what Atlassian would
// allow.
func TestFindTellsWhatIsBarred(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		boss, glass := workflowtest.Managed("acc-1", "boss@old.example"), workflowtest.Managed("acc-2", "glass@old.example")
		root := workflowtest.Managed("acc-3", "root@old.example")
		glass.Groups = []string{"Break-Glass"}
		root.OrgAdmin = true
		o := workflowtest.NewOrganisation(boss, glass, root, workflowtest.Managed("acc-4", "ada@old.example"))
		d := newDesk(t, o, func(c *engine.Config) {
			policyOf(c).Protect = []string{"Boss@old.example", "group:break-glass"}
		})
		for text, want := range map[string]workflow.ReasonCode{
			"boss@old.example": workflow.ReasonProtected, "acc-1": workflow.ReasonProtected,
			"glass@old.example": workflow.ReasonProtected, "root@old.example": workflow.ReasonOrgAdmin,
			"ada@old.example": "",
		} {
			found, err := d.engine.Find(t.Context(), text)
			if err != nil || len(found) != 1 {
				t.Fatalf("find %s: %v, %v", text, found, err)
			}
			if f := found[0]; f.Barred.Code != want || (f.Privileges == nil) != (want != "") {
				t.Errorf("find %s: barred by %q, may %v; want %q", text, f.Barred.Code, f.Privileges, want)
			}
		}
	})
}
