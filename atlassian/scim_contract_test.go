//go:build contract

package atlassian_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/sandbox/contract"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// TestSCIMContract makes every call of a SCIM directory's client, refused ones included, and compares
// requests and answers with Atlassian's document.
func TestSCIMContract(t *testing.T) {
	folder := os.Getenv("COUNTERSIGN_OPENAPI")
	if folder == "" {
		t.Fatal("COUNTERSIGN_OPENAPI is not set: the folder with Atlassian's OpenAPI files")
	}
	spec, err := contract.LoadProvisioning(folder)
	if err != nil {
		t.Fatal(err)
	}
	w := newSCIMWorld(t)
	checked := contract.Transport(w.server.Transport(), spec, func(problem string) { t.Error(problem) })
	d := w.directory(checked)
	ctx, held, group := t.Context(), personID(1), w.group
	at := workflow.Endpoint{Place: workflow.PlaceSCIM, Directory: scimOurs}
	record := action.RecordOf(held, scimOurs)
	answers, err := d.Read(ctx, action.Links(held), record, action.RecordNamed("nobody@example.com", scimOurs),
		action.SCIMGroups("hr-people"), action.SCIMGroups(group))
	if err != nil || len(answers[action.SCIMGroups(group)]) != 1 || len(answers[action.SCIMGroups("hr-people")]) != 1 {
		t.Fatalf("facts: %v, %v", answers, err)
	}
	id := answers[record][0].Get(action.FieldRecord)
	call := func(op workflow.Operation, args workflow.Values) error {
		_, err := d.Call(ctx, workflow.Call{Endpoint: at, Operation: op, AccountID: held, Args: args})
		return err
	}
	member := workflow.Of(workflow.FieldID, group).With(action.FieldRecord, id)
	who := workflow.Of(workflow.FieldEmail, "new@example.com").With(workflow.FieldName, "New")
	all := workflow.Of(workflow.FieldID, id).With(action.FieldActive, "false").With(action.FieldDisplay, "N").
		With(action.FieldFormatted, "N").With(action.FieldUserName, "n@example.com").
		With(action.FieldEmails, `[{"value":"n@example.com","type":"work","primary":true}]`)
	for i, test := range []struct {
		op      workflow.Operation
		args    workflow.Values
		refused bool
	}{
		{action.OpPatchRecord, all, false},
		{action.OpPatchRecord, all.With(workflow.FieldID, "none"), true},
		{action.OpSCIMGroupAdd, member, false},
		{action.OpSCIMGroupRemove, member, false},
		{action.OpSCIMGroupAdd, member.With(workflow.FieldID, "none"), true},
		{action.OpProvision, who, false},
		{action.OpProvision, who, true},
		{action.OpProvision, who.With(workflow.FieldEmail, "new@unverified.example"), true},
	} {
		if err := call(test.op, test.args); (err != nil) != test.refused {
			t.Errorf("call %d (%s): %v", i+1, test.op, err)
		}
	}
	if _, err := w.client(checked, scimKey).Check(ctx); err != nil {
		t.Error(err)
	}
	if _, err := w.client(checked, "none").Check(ctx); atlassian.KindOf(err) != atlassian.KindKeyRefused {
		t.Errorf("a wrong key: %v", err)
	}
	for _, v := range w.server.Violations() {
		t.Error(v)
	}
	for _, c := range w.server.Calls() {
		if c.Method == http.MethodDelete {
			t.Errorf("%s %s was sent", c.Method, c.Path)
		}
	}
}
