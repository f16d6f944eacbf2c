package atlassian

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// scimPlaces are the SCIM directories of ours, and what was learned of them.
type scimPlaces struct {
	ours  []*SCIM
	known *scimKnown
}

// scimKnown is what was learned of SCIM directories, for several goroutines.
type scimKnown struct {
	mu      sync.Mutex        // guards the maps
	records map[string]string // directory, a line break, account → record; where it is wrong it is asked again
	names   map[string]string // directory → name, of those that the organisation lists; nil until they were asked
}

func newSCIMPlaces(ours []*SCIM) scimPlaces {
	return scimPlaces{ours: ours, known: &scimKnown{records: map[string]string{}}}
}

func (p scimPlaces) forParty(party int64) scimPlaces {
	own := scimPlaces{known: p.known, ours: make([]*SCIM, len(p.ours))}
	for i, s := range p.ours {
		own.ours[i] = s.For(party)
	}
	return own
}

// WithSCIM returns the directory with the SCIM directories whose key we hold.
func (d *Directory) WithSCIM(ours ...*SCIM) *Directory {
	own := *d
	own.scim = newSCIMPlaces(ours)
	return &own
}

// scimOf returns the client of a SCIM directory by its id.
func (d *Directory) scimOf(id string) (*SCIM, error) {
	names := make([]string, len(d.scim.ours))
	for i, s := range d.scim.ours {
		if s.id == id {
			return s, nil
		}
		names[i] = s.name + " (" + s.id + ")"
	}
	return nil, refusal(workflow.ReasonWhichSCIM, fmt.Errorf("no SCIM directory %q in the settings", id), id, strings.Join(names, ", "))
}

// readSCIM answers facts of one kind about one SCIM directory, or about all of ours.
func (d *Directory) readSCIM(ctx context.Context, facts []workflow.Fact) (workflow.Answers, error) {
	reads := map[workflow.FactKind]func(context.Context, workflow.Fact) ([]workflow.Values, error){
		action.KindRecord: d.readRecord, action.KindRecordNamed: d.readRecordNamed,
		action.KindSCIMGroups: d.readSCIMGroups, action.KindSCIMDirectories: d.readSCIMDirectories,
	}
	answers := workflow.Answers{}
	for _, fact := range facts {
		read, known := reads[fact.Kind]
		if !known {
			return nil, fmt.Errorf("read %s of a SCIM directory: not supported", fact.Kind)
		}
		records, err := read(ctx, fact)
		if err != nil {
			return nil, err
		}
		answers[fact] = records
	}
	return answers, nil
}

// readLinks answers which SCIM directories hold an account. Where the organisation has no such call,
// or does not let us make it, nobody tells: then none is ours.
func (d *Directory) readLinks(ctx context.Context, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		links, err := d.client.SCIMLinks(ctx, fact.AccountID)
		if kind := KindOf(err); err != nil && kind != KindNotFound && kind != KindForbidden && kind != KindRefused {
			return nil, readError(err)
		}
		answers[fact] = nil
		for _, l := range links {
			link := action.SCIMLink{Directory: l.DirectoryID, Record: l.UserID}
			if s, err := d.scimOf(l.DirectoryID); err == nil {
				link.Name, link.Ours = s.name, true
				d.scim.known.learn(l.DirectoryID, fact.AccountID, l.UserID)
			} else {
				link.Name = d.scimName(ctx, l.DirectoryID)
			}
			answers[fact] = append(answers[fact], link.Values())
		}
	}
	return answers, nil
}

// scimName returns the name of a directory that is not ours, "" where the organisation's list of
// directories has none of that id: nothing else tells.
func (d *Directory) scimName(ctx context.Context, id string) string {
	d.scim.known.mu.Lock()
	names := d.scim.known.names
	d.scim.known.mu.Unlock()
	if names == nil {
		all, err := d.client.Directories(ctx)
		if err != nil {
			return ""
		}
		names = map[string]string{}
		for _, each := range all {
			names[each.ID] = each.Name
		}
		d.scim.known.mu.Lock()
		d.scim.known.names = names
		d.scim.known.mu.Unlock()
	}
	return names[id]
}

func (k *scimKnown) learn(directory, account, record string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if record == "" {
		delete(k.records, directory+"\n"+account)
		return
	}
	k.records[directory+"\n"+account] = record
}

func (k *scimKnown) record(directory, account string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.records[directory+"\n"+account]
}

// readRecord answers what an account's record says: of the one that was learned, or else of the one
// that the links name. One that names another account is none of this one.
func (d *Directory) readRecord(ctx context.Context, fact workflow.Fact) ([]workflow.Values, error) {
	s, err := d.scimOf(fact.Directory)
	if err != nil {
		return nil, err
	}
	for range 2 { // what was learned may have become another
		id := d.scim.known.record(fact.Directory, fact.AccountID)
		learned := id != ""
		if !learned {
			links, err := d.client.SCIMLinks(ctx, fact.AccountID)
			if err != nil && KindOf(err) != KindNotFound {
				return nil, readError(err)
			}
			for _, l := range links {
				if l.DirectoryID == fact.Directory {
					id = l.UserID
				}
			}
			if id == "" {
				break
			}
		}
		user, err := s.User(ctx, id, fact.AccountID)
		if err == nil && (user.AccountID == fact.AccountID || user.AccountID == "") {
			d.scim.known.learn(fact.Directory, fact.AccountID, id)
			return []workflow.Values{recordValues(user, fact.Arg)}, nil
		}
		if err != nil && KindOf(err) != KindNotFound {
			return nil, s.readError(err)
		}
		d.scim.known.learn(fact.Directory, fact.AccountID, "")
		if !learned {
			break
		}
	}
	return []workflow.Values{workflow.Of(workflow.FieldMembership, workflow.MemberNone)}, nil
}

// recordValues are what a record says; group, where it is not "", is one of which it is told whether
// the record is in it.
func recordValues(u SCIMUser, group string) workflow.Values {
	record := action.Record{
		ID: u.ID, UserName: u.UserName, DisplayName: u.DisplayName, Formatted: u.Name.Formatted, Emails: u.Emails, Active: u.Active,
	}
	for _, g := range u.Groups {
		record.Groups = append(record.Groups, g.Value)
	}
	values := record.Values()
	if group != "" && !slices.Contains(record.Groups, group) {
		values.Set(workflow.GroupField(group), workflow.GroupOut)
	}
	return values
}

// readRecordNamed answers the record of a userName.
func (d *Directory) readRecordNamed(ctx context.Context, fact workflow.Fact) ([]workflow.Values, error) {
	s, err := d.scimOf(fact.Directory)
	if err != nil {
		return nil, err
	}
	var user SCIMUser
	found := false
	same := func(name string) bool { return workflow.SameAddress(name, fact.Arg) }
	for _, spelling := range workflow.AddressSpellings(fact.Arg) { // the filter is exact
		if user, found, err = s.UserNamed(ctx, spelling, same); err != nil {
			return nil, s.readError(err)
		}
		if found {
			break
		}
	}
	if !found {
		return []workflow.Values{workflow.Of(workflow.FieldMembership, workflow.MemberNone)}, nil
	}
	if user.AccountID != "" {
		d.scim.known.learn(fact.Directory, user.AccountID, user.ID)
	}
	return []workflow.Values{recordValues(user, "").With(workflow.FieldID, user.AccountID)}, nil
}

// readSCIMGroups answers which groups of the directories of ours have a name, exactly, or an id.
func (d *Directory) readSCIMGroups(ctx context.Context, fact workflow.Fact) ([]workflow.Values, error) {
	var out []workflow.Values
	for _, s := range d.scim.ours {
		groups, err := s.GroupsNamed(ctx, fact.Arg)
		if err != nil {
			return nil, s.readError(err)
		}
		if len(groups) == 0 && groupID.MatchString(fact.Arg) {
			g, err := s.Group(ctx, fact.Arg)
			if err == nil {
				groups = append(groups, g)
			} else if KindOf(err) != KindNotFound {
				return nil, s.readError(err)
			}
		}
		for _, g := range groups {
			out = append(out, action.Group{ID: g.ID, Name: g.Name, Directory: s.id, SCIM: s.name}.Values())
		}
	}
	return out, nil
}

// readSCIMDirectories answers which SCIM directories are ours.
func (d *Directory) readSCIMDirectories(context.Context, workflow.Fact) ([]workflow.Values, error) {
	var out []workflow.Values
	for _, s := range d.scim.ours {
		out = append(out, workflow.Of(workflow.FieldID, s.id).With(workflow.FieldName, s.name))
	}
	return out, nil
}

// scimChanges returns how the operations are carried out that actions name at a SCIM directory.
func scimChanges() map[workflow.Operation]string {
	return map[workflow.Operation]string{
		action.OpPatchRecord: opSCIMPatch, action.OpProvision: opSCIMCreate,
		action.OpSCIMGroupAdd: opSCIMGroupAdd, action.OpSCIMGroupRemove: opSCIMGroupRemove,
	}
}

func (d *Directory) callSCIM(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	s, err := d.scimOf(call.Directory)
	if err != nil {
		return nil, err
	}
	var told workflow.Values
	id := call.Args.Get(workflow.FieldID)
	switch call.Operation {
	case action.OpPatchRecord:
		err = s.PatchUser(ctx, id, call.AccountID, patchOperations(call.Args)...)
	case action.OpSCIMGroupAdd:
		err = s.AddMember(ctx, id, call.Args.Get(action.FieldRecord), call.AccountID)
	case action.OpSCIMGroupRemove:
		err = s.RemoveMember(ctx, id, call.Args.Get(action.FieldRecord), call.AccountID)
	case action.OpProvision:
		var user SCIMUser
		user, err = s.Create(ctx, call.Args.Get(workflow.FieldEmail), call.Args.Get(workflow.FieldName))
		if told = workflow.Of(workflow.FieldID, user.AccountID); told != nil {
			d.scim.known.learn(s.id, user.AccountID, user.ID)
		}
	default:
		return nil, &kindError{workflow.ErrNotSent, fmt.Errorf("call %s of a SCIM directory: not supported", call.Operation)}
	}
	return told, withKey(s.words(), scimWriteError(s, call, err))
}

// patchOperations are the changes of a record that a call asks for, in a fixed order.
func patchOperations(args workflow.Values) []scimOperation {
	var out []scimOperation
	for _, attribute := range []struct {
		field workflow.Field
		path  string
		value func(string) any
	}{
		{action.FieldUserName, "userName", asText},
		{action.FieldEmails, "emails", func(list string) any { return json.RawMessage(list) }},
		{action.FieldDisplay, "displayName", asText},
		{action.FieldFormatted, "name.formatted", asText},
		{action.FieldActive, "active", func(word string) any { return word == "true" }},
	} {
		if value, asked := args.Lookup(attribute.field); asked {
			out = append(out, replace(attribute.path, attribute.value(value)))
		}
	}
	return out
}

func asText(value string) any { return value }

// readError puts the error of a read into the words of workflow.
func (s *SCIM) readError(err error) error { return withKey(s.words(), readError(err)) }

// words returns the directory as people read of it.
func (s *SCIM) words() string { return "the SCIM directory " + s.name }

// scimWriteError puts the error of a call into the words of workflow. What exists already may be what
// a lost call has made; of a member who is not there nobody is told apart from a group that is not.
func scimWriteError(s *SCIM, call workflow.Call, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return writeError(call.Action, "", err)
	}
	switch e.Kind {
	case KindForbidden:
		return leftAlone("the key of "+s.name+" may not do that there"+asTold(e), err)
	case KindNotFound:
		return leftAlone("it does not have what the change is about any more", err)
	case KindProbableCollision:
		address := call.Args.Get(workflow.FieldEmail)
		if address == "" { // an address is what the records of two people collide in; here is none
			return leftAlone("the change goes against something there"+asTold(e), err)
		}
		reason := workflow.NewReason(workflow.ReasonCollision, address)
		return &workflow.Refusal{Reason: reason, Err: err, MayBeSo: call.Operation == action.OpProvision}
	}
	return writeError(call.Action, call.Args.Get(workflow.FieldEmail), err)
}

// leftAlone is the refusal of a change for which nothing was done there.
func leftAlone(why string, err error) error { return refusal(workflow.ReasonRecord, err, why) }

// asTold is what an answer said, as the end of a sentence.
func asTold(e *Error) string {
	return " (" + strings.TrimSpace(statusWord(e)+" "+cmp.Or(e.Key, e.Message)) + ")"
}

// estimateSCIM is the longest that a SCIM directory of ours takes for these calls.
func (d *Directory) estimateSCIM(calls map[workflow.Operation]int) map[string]int {
	total := map[string]int{}
	known := scimChanges()
	for operation := range maps.Keys(calls) {
		if wire, ok := known[operation]; ok {
			total[wire] += calls[operation]
		}
	}
	return total
}
