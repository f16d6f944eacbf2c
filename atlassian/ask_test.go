package atlassian

import (
	"context"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// What package workflow asks of a directory, in the words of the tests.

func (d *Directory) Account(ctx context.Context, id string) (workflow.Account, error) {
	return workflow.ReadAccount(ctx, d, id)
}

func (d *Directory) Privileges(ctx context.Context, id string, keys ...string) (map[string]workflow.Privilege, error) {
	facts := make([]workflow.Fact, len(keys))
	for i, key := range keys {
		facts[i] = workflow.Manage(id, key)
	}
	answers, err := d.Read(ctx, facts...)
	if err != nil {
		return nil, err
	}
	out := map[string]workflow.Privilege{}
	for i, key := range keys {
		if answers[facts[i]] != nil {
			out[key] = answers.Allowed(facts[i], "")
		}
	}
	return out, nil
}

func (d *Directory) call(ctx context.Context, action workflow.ActionName, op workflow.Operation, id string, args workflow.Values) error {
	_, err := d.Call(ctx, workflow.Call{Operation: op, Action: action, AccountID: id, Args: args})
	return err
}

func (d *Directory) SetEmail(ctx context.Context, id, address string) error {
	return d.call(ctx, workflow.Rename, action.OpSetEmail, id, workflow.Of(workflow.FieldEmail, address))
}

func (d *Directory) SetName(ctx context.Context, id, name string) error {
	return d.call(ctx, workflow.SetName, action.OpSetName, id, workflow.Of(workflow.FieldName, name))
}

func (d *Directory) Deactivate(ctx context.Context, id, message string) error {
	return d.call(ctx, workflow.Deactivate, action.OpDisable, id, workflow.Values{}.With(workflow.FieldMessage, message))
}

func (d *Directory) Activate(ctx context.Context, id string) error {
	return d.call(ctx, workflow.Activate, action.OpEnable, id, nil)
}

func (d *Directory) RevokeToken(ctx context.Context, id, token string) error {
	return d.call(ctx, workflow.RevokeTokens, action.OpRevokeToken, id, workflow.Of(workflow.FieldID, token))
}

func (d *Directory) Tokens(ctx context.Context, id string) (int, error) {
	answers, err := d.Read(ctx, action.Tokens(id))
	return len(answers[action.Tokens(id)]) - 1, err
}

// inDirectory makes a call about an account in one directory.
func (d *Directory) inDirectory(ctx context.Context, act workflow.ActionName, op workflow.Operation, directory, id string) error {
	_, err := d.Call(ctx, workflow.Call{
		Endpoint:  workflow.Endpoint{Place: workflow.PlaceDirectory, Directory: directory},
		Operation: op, Action: act, AccountID: id,
	})
	return err
}

func (d *Directory) Suspend(ctx context.Context, directory, id string) error {
	return d.inDirectory(ctx, workflow.Suspend, action.OpSuspend, directory, id)
}

func (d *Directory) Restore(ctx context.Context, directory, id string) error {
	return d.inDirectory(ctx, workflow.Restore, action.OpRestore, directory, id)
}

func (d *Directory) RemoveUser(ctx context.Context, directory, id string) error {
	return d.inDirectory(ctx, workflow.Remove, action.OpRemove, directory, id)
}

// Standing is the membership of an account in a directory, "" where nothing tells.
func (d *Directory) Standing(ctx context.Context, directory, id string) (string, error) {
	fact := workflow.MembershipOf(id, directory)
	answers, err := d.Read(ctx, fact, action.RolesOf(id, directory))
	if err != nil {
		return "", err
	}
	return answers[fact][0].Get(workflow.FieldMembership), nil
}

func (d *Directory) Delete(ctx context.Context, id string) error {
	return d.call(ctx, workflow.Delete, action.OpDelete, id, nil)
}

func (d *Directory) CancelDelete(ctx context.Context, id string) error {
	return d.call(ctx, workflow.CancelDelete, action.OpCancelDelete, id, nil)
}

// Status is the status of an account where a deletion shows.
func (d *Directory) Status(ctx context.Context, id string) (string, error) {
	answers, err := d.Read(ctx, action.Lifecycle(id))
	if err != nil {
		return "", err
	}
	return answers[action.Lifecycle(id)][0].Get(workflow.FieldStatus), nil
}
