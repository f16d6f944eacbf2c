package report_test

import (
	"testing"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// A draft of an old report leaves out who has become active, was deactivated or is gone since, and has
// the others as they are now.
func TestDraftOfAnOldReport(t *testing.T) {
	inBubble(t, []report.Definition{{Name: "idle", Kind: report.Inactive}, {Name: "nightly", Kind: report.ManagedAccounts}}, func(b *bench) {
		org := &organisation{}
		for _, id := range []string{"back", "gone", "off", "stays"} {
			org.members = append(org.members, seat(id, id+"@a.example", "1999-01-01", true, "jira"))
		}
		b.run(report.Config{Members: org})
		first, shown, _ := b.made("idle")
		if shown.Draft != 4 {
			b.Fatalf("the report shows %+v", shown)
		}
		time.Sleep(48 * time.Hour)
		org.members[0].LastActive = time.Now().AddDate(0, 0, -1).Format(time.DateOnly)
		org.members[2].Status = workflow.StatusInactive
		org.members[3].Email = "other@a.example"
		org.members = append(org.members[:1:1], org.members[2:]...)
		b.made("nightly")
		_, drafted, err := b.runner.Draft(b.Context(), first.Run)
		if err != nil || len(drafted) != 1 || drafted[0].ID != "stays" || drafted[0].Email != "other@a.example" {
			b.Errorf("drafted %+v, %v; want stays alone, with its address of now", drafted, err)
		}
	})
}
