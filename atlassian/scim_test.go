package atlassian_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/sandbox/wire"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

const (
	scimOurs = "55555555-0000-4000-8000-000000000001"
	scimKey  = "key-of-the-directory"
	scimURL  = "https://api.atlassian.test"
)

// scimWorld is an organisation with a SCIM directory of ours that holds one account.
type scimWorld struct {
	t      *testing.T
	org    *organisation.Organisation
	server *scim.Server
	user   scim.User
	group  string
}

func newSCIMWorld(t *testing.T) *scimWorld {
	t.Helper()
	org := newOrganisation(t, person(1), person(2))
	server, err := scim.New(scim.Config{Organisation: org, URL: scimURL})
	if err != nil {
		t.Fatal(err)
	}
	w := &scimWorld{t: t, org: org, server: server}
	if err := server.AddDirectory(scim.Directory{ID: scimOurs, Name: "hr", Key: scimKey}); err != nil {
		t.Fatal(err)
	}
	if w.user, err = server.AddUser(scimOurs, personID(1)); err != nil {
		t.Fatal(err)
	}
	group, err := server.AddGroup(scimOurs, "hr-people")
	if err != nil {
		t.Fatal(err)
	}
	w.group = group.ID
	return w
}

func (w *scimWorld) client(transport http.RoundTripper, key string) *atlassian.SCIM {
	w.t.Helper()
	client, err := atlassian.NewSCIM(
		atlassian.SCIMConfig{Name: "hr", DirectoryID: scimOurs, Key: func() string { return key }},
		atlassian.Config{BaseURL: scimURL, HTTP: &http.Client{Transport: transport}, Log: zerolog.Nop(), Pace: fast},
	)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

func (w *scimWorld) directory(transport http.RoundTripper) *atlassian.Directory {
	return newEnv(w.t, w.org, scimURL, func(cfg *atlassian.Config) {
		cfg.HTTP = &http.Client{Transport: w.org.Transport()}
	}).directory.WithSCIM(w.client(transport, scimKey))
}

// Both versions of the extension that names the account are read, and a record of another account is
// none of this one.
func TestSCIMRecords(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		w := newSCIMWorld(t)
		w.server.SetExtension(version)
		d := w.directory(w.server.Transport())
		mine := action.RecordOf(personID(1), scimOurs)
		answers, err := d.Read(t.Context(), mine, action.RecordNamed(w.user.UserName, scimOurs))
		if err != nil || answers[mine][0].Get(action.FieldRecord) != w.user.ID {
			t.Fatalf("%s: %v, %v", version, answers, err)
		}
		if got := answers[action.RecordNamed(w.user.UserName, scimOurs)][0].Get(workflow.FieldID); got != personID(1) {
			t.Errorf("%s: the record is that of account %q", version, got)
		}
		if err := w.org.Edit(personID(2), func(a *organisation.Account) {
			a.LinkSCIM(organisation.SCIMLink{DirectoryID: scimOurs, UserID: w.user.ID})
		}); err != nil {
			t.Fatal(err)
		}
		other := action.RecordOf(personID(2), scimOurs)
		answers, err = d.Read(t.Context(), other)
		if err != nil || answers[other][0].Get(workflow.FieldMembership) != workflow.MemberNone {
			t.Errorf("%s: the record of another account: %v, %v", version, answers, err)
		}
	}
}

// What a call's answer means: the kinds of workflow.Caller.
func TestSCIMAnswers(t *testing.T) {
	for status, want := range map[int]error{
		http.StatusUnauthorized: workflow.ErrKeyRefused, http.StatusForbidden: nil,
		http.StatusTooManyRequests: workflow.ErrThrottled, http.StatusInternalServerError: workflow.ErrUnknownOutcome,
		http.StatusServiceUnavailable: workflow.ErrUnknownOutcome, http.StatusBadRequest: nil, http.StatusConflict: nil, http.StatusNotFound: nil,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			w := newSCIMWorld(t)
			w.server.SetFaults(wire.Faults{Before: func(*http.Request) *wire.Fault { return &wire.Fault{Status: status} }})
			_, err := w.directory(w.server.Transport()).Call(t.Context(), workflow.Call{
				Endpoint:  workflow.Endpoint{Place: workflow.PlaceSCIM, Directory: scimOurs},
				Operation: action.OpPatchRecord, AccountID: personID(1),
				Args: workflow.Of(workflow.FieldID, w.user.ID).With(action.FieldActive, "false"),
			})
			if want == nil {
				if refusal, is := errors.AsType[*workflow.Refusal](err); !is || refusal.MayBeSo {
					t.Errorf("the error is %v, want a refusal", err)
				}
			} else if !errors.Is(err, want) {
				t.Errorf("the error is %v, want %v", err, want)
			}
		})
	}
}

// Two records collide in an address: where a change has none, a conflict is about something else.
func TestSCIMConflict(t *testing.T) {
	w := newSCIMWorld(t)
	w.server.SetFaults(wire.Faults{Before: func(*http.Request) *wire.Fault { return &wire.Fault{Status: http.StatusConflict} }})
	directory := w.directory(w.server.Transport())
	user := workflow.Of(workflow.FieldID, w.user.ID)
	member := workflow.Of(workflow.FieldID, w.group).With(action.FieldRecord, w.user.ID)
	for _, test := range []struct {
		operation workflow.Operation
		args      workflow.Values
		code      workflow.ReasonCode
		mayBeSo   bool
	}{
		{action.OpProvision, workflow.Of(workflow.FieldEmail, "b@example.com").With(workflow.FieldName, "B"), workflow.ReasonCollision, true},
		{action.OpPatchRecord, user.With(workflow.FieldEmail, "b@example.com").With(action.FieldEmails, "[]"), workflow.ReasonCollision, false},
		{action.OpPatchRecord, user.With(action.FieldActive, "false"), workflow.ReasonRecord, false},
		{action.OpPatchRecord, user.With(action.FieldDisplay, "B"), workflow.ReasonRecord, false},
		{action.OpSCIMGroupAdd, member, workflow.ReasonRecord, false},
		{action.OpSCIMGroupRemove, member, workflow.ReasonRecord, false},
	} {
		_, err := directory.Call(t.Context(), workflow.Call{
			Endpoint:  workflow.Endpoint{Place: workflow.PlaceSCIM, Directory: scimOurs},
			Operation: test.operation, AccountID: personID(1), Args: test.args,
		})
		refusal, refused := errors.AsType[*workflow.Refusal](err)
		if !refused || refusal.Reason.Code != test.code || refusal.MayBeSo != test.mayBeSo {
			t.Errorf("%s of %v: %v", test.operation, test.args, err)
		}
	}
}

// A refused key is that of the directory, and the error says so; a 403 is one where nothing was to be
// written, and else a no to what was.
func TestSCIMKeyIsNamed(t *testing.T) {
	record := action.RecordOf(personID(1), scimOurs)
	reads := []workflow.Fact{record, action.RecordNamed("a@example.com", scimOurs), action.SCIMGroups("hr-people")}
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		w := newSCIMWorld(t)
		w.server.SetFaults(wire.Faults{Before: func(*http.Request) *wire.Fault { return &wire.Fault{Status: status} }})
		directory := w.directory(w.server.Transport())
		for _, fact := range reads {
			_, err := directory.Read(t.Context(), fact)
			if !errors.Is(err, workflow.ErrKeyRefused) || workflow.KeyOf(err) != "the SCIM directory hr" {
				t.Errorf("%d for %s: %v of %q", status, fact.Kind, err, workflow.KeyOf(err))
			}
		}
		for _, call := range []workflow.Call{
			{Operation: action.OpPatchRecord, Args: workflow.Of(workflow.FieldID, w.user.ID).With(action.FieldActive, "false")},
			{Operation: action.OpSCIMGroupAdd, Args: workflow.Of(workflow.FieldID, w.group).With(action.FieldRecord, w.user.ID)},
			{Operation: action.OpSCIMGroupRemove, Args: workflow.Of(workflow.FieldID, w.group).With(action.FieldRecord, w.user.ID)},
			{Operation: action.OpProvision, Args: workflow.Of(workflow.FieldEmail, "b@example.com").With(workflow.FieldName, "B")},
		} {
			call.Endpoint, call.AccountID = workflow.Endpoint{Place: workflow.PlaceSCIM, Directory: scimOurs}, personID(1)
			_, err := directory.Call(t.Context(), call)
			refusal, refused := errors.AsType[*workflow.Refusal](err)
			switch {
			case status == http.StatusForbidden:
				if !refused || !strings.Contains(refusal.Reason.Words(), "key of hr") {
					t.Errorf("%s: %v, want a refusal that names the directory", call.Operation, err)
				}
			case !errors.Is(err, workflow.ErrKeyRefused) || workflow.KeyOf(err) != "the SCIM directory hr":
				t.Errorf("%s: %v of %q", call.Operation, err, workflow.KeyOf(err))
			}
		}
	}
}

// A look at the directory counts the records that an identity provider seems to have written.
func TestSCIMCheck(t *testing.T) {
	w := newSCIMWorld(t)
	client := w.client(w.server.Transport(), scimKey)
	sample, err := client.Check(t.Context())
	if err != nil || sample.Total != 1 || sample.External != 0 || sample.Newest == "" {
		t.Errorf("%+v, %v", sample, err)
	}
	if err := w.server.Push(scimOurs, w.user.ID, func(u *scim.User) { u.ExternalID = "00u1" }); err != nil {
		t.Fatal(err)
	}
	if sample, err = client.Check(t.Context()); err != nil || sample.External != 1 {
		t.Errorf("%+v, %v", sample, err)
	}
}

// The directory has its own pace: where it is shut, the organisation's calls go on.
func TestSCIMPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSCIMWorld(t)
		w.server.SetLimit(1)
		d := w.directory(w.server.Transport())
		groups := func() error {
			_, err := d.Read(t.Context(), action.SCIMGroups("hr-people"))
			return err
		}
		if err := groups(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		begun := time.Now()
		go func() { done <- groups() }()
		synctest.Wait()
		if _, err := d.Read(t.Context(), workflow.Profile(personID(1))); err != nil || time.Since(begun) > time.Second {
			t.Errorf("the organisation answered after %s: %v", time.Since(begun), err)
		}
		if err := <-done; err != nil || time.Since(begun) < time.Second {
			t.Errorf("the directory answered after %s: %v", time.Since(begun), err)
		}
	})
}

// A search that lacks what it must hold is an answer that failed, and never tells that nobody has the
// name: who is there already would be made once more.
func TestSCIMListsNeedTheirFields(t *testing.T) {
	const good = `{"totalResults":1,"Resources":[{"id":"r","userName":"ann@example.com","displayName":"hr"}]}`
	for _, bad := range []string{
		`{}`, `null`, `[]`, `{"Resources":[]}`, `{"totalResults":1}`, `{"totalResults":1,"Resources":null}`, `{"totalResults":1,"Resources":[]}`,
		`{"totalResults":1,"Resources":[null]}`, `{"totalResults":1,"Resources":[{"userName":"ann@example.com","displayName":"hr"}]}`,
		`{"totalResults":1,"resources":"none"}`, `{"code":500,"totalResults":0}`,
	} {
		t.Run(bad, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &scimWorld{t: t}
				for name, look := range map[string]func(*atlassian.SCIM) (bool, error){
					"user": func(s *atlassian.SCIM) (bool, error) {
						_, found, err := s.UserNamed(t.Context(), "ann@example.com", func(name string) bool { return name == "ann@example.com" })
						return found, err
					},
					"group": func(s *atlassian.SCIM) (bool, error) {
						groups, err := s.GroupsNamed(t.Context(), "hr")
						return len(groups) == 1, err
					},
				} {
					if found, err := look(w.client(&bodies{all: []string{bad, good}}, scimKey)); !found || err != nil {
						t.Errorf("%s: a bad answer and a good one: found %t, %v", name, found, err)
					}
					if _, err := look(w.client(&bodies{all: []string{bad}}, scimKey)); err == nil {
						t.Errorf("%s: it stays bad, and is believed", name)
					}
				}
			})
		})
	}
}

// A record is found by every spelling of its address, as an account is: whoever is there is not made
// once more.
func TestSCIMNamesAreAddresses(t *testing.T) {
	for held, asked := range map[string]string{
		"lea@b\u00fccher.example": "lea@xn--bcher-kva.example", "kim@xn--bcher-kva.example": "kim@b\u00fccher.example",
		"jose\u0301@old.example": "jos\u00e9@old.example", "ann@old.example": "Ann@Old.example",
	} {
		w := newSCIMWorld(t)
		record := fmt.Sprintf(`{"totalResults":1,"Resources":[{"id":"r","userName":%q}]}`, held)
		d := w.directory(named{held, record})
		fact := action.RecordNamed(asked, scimOurs)
		answers, err := d.Read(t.Context(), fact)
		if err != nil || answers[fact][0].Get(action.FieldRecord) != "r" {
			t.Errorf("%q of %q: %v, %v", asked, held, answers, err)
		}
	}
}

// named is a SCIM directory that finds its one record by exactly its name.
type named struct{ name, record string }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"totalResults":0,"Resources":[]}`
	if r.URL.Query().Get("filter") == fmt.Sprintf(`userName eq "%s"`, n.name) {
		body = n.record
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}
