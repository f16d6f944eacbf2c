package atlassian

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

var _ workflow.Log = (*Directory)(nil)

// LogKinds lists the kinds of events of the audit log.
func (d *Directory) LogKinds(ctx context.Context) ([]workflow.LogKind, error) {
	actions, err := d.client.EventActions(ctx)
	if err != nil {
		return nil, logError(err, "")
	}
	kinds := make([]workflow.LogKind, len(actions))
	for i, a := range actions {
		kinds[i] = workflow.LogKind{ID: a.ID, Name: a.Attributes.Name, Group: a.Attributes.Group}
	}
	return kinds, nil
}

// LogPage reads a page of the audit log. An event whose time cannot be read is left out: it lies
// between no two nights.
func (d *Directory) LogPage(ctx context.Context, cursor string, from time.Time) (workflow.LogPage, error) {
	got, err := d.client.Events(ctx, cursor, from)
	if err != nil {
		return workflow.LogPage{}, logError(err, cursor)
	}
	out := workflow.LogPage{Next: got.Meta.Next}
	for _, e := range got.Data {
		at, err := time.Parse(time.RFC3339, e.Attributes.Time)
		if err != nil {
			d.client.admin.log.Warn().Str("event", e.ID).Msg("an event of the audit log has no time")
			continue
		}
		out.Events = append(out.Events, logEvent(e, at.UTC()))
	}
	return out, nil
}

func logEvent(e Event, at time.Time) workflow.LogEvent {
	who := e.Attributes.Actor
	out := workflow.LogEvent{ID: e.ID, At: at, Kind: e.Attributes.Action, Actor: workflow.LogActor{
		ID: who.ID, Name: who.Name, Email: who.Email, Auth: who.Auth.Type, TokenID: who.Auth.ID, TokenLabel: who.Auth.Label,
		AppID: who.App.ID, AppType: who.App.Type,
	}}
	for _, o := range e.Attributes.Context {
		out.Objects = append(out.Objects, workflow.LogObject{
			ID: plainID(o.ID), Type: o.Type, Name: o.attribute("name"), Email: o.attribute("email"),
		})
	}
	return out
}

// plainID returns the id that an ARI ends with ("ari:cloud:identity::user/712020:…"), and any other id
// as it is.
func plainID(id string) string {
	if strings.HasPrefix(id, "ari:") {
		return id[strings.LastIndexByte(id, '/')+1:]
	}
	return id
}

// logError puts the error of a read of the log into the words of workflow. What a plan without the
// log answers is not documented, nor what a cursor that is too old gets: any refusal is the former, a
// 400 for a cursor the latter.
func logError(err error, cursor string) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case KindNotFound, KindForbidden, KindNotAllowed, KindNoPlan, KindRefused:
		if cursor != "" && e.Status == http.StatusBadRequest {
			return &kindError{workflow.ErrLogCursor, err}
		}
		return &kindError{workflow.ErrNoLog, err}
	}
	return readError(err)
}
