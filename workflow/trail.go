package workflow

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Fields of differences between two nights, beside those of an account.
const (
	FieldNew      Field = "new"      // the account was not there
	FieldGone     Field = "gone"     // it is not there any more
	FieldBillable Field = "billable" // "true" or "false"
)

// Toward is what an event or an action does to somebody's access.
type Toward string

// The ways; "" is either, or neither.
const (
	TowardMore Toward = "more"
	TowardLess Toward = "less"
)

// Logged is an event of the organisation's own log that names an account and is understood.
type Logged struct {
	ID      string // of the event; it has several of these where it names several accounts
	At      time.Time
	Kind    string // LogKind.ID
	Account string // id; "" where the event names an address alone
	Email   string // AddressKey of that
	Fits    []Field
	Toward  Toward
	Actor   LogActor
	Group   string // name, or else id, of the group that it is about; "" for none
}

// Deed is a step that a batch sent for an account.
type Deed struct {
	Action ActionName
	Expect Values
	Set    Values
	Group  string // its name, where the step is about one
	Began  time.Time
	Ended  time.Time
	Batch  int64
	By     Person // who asked for it
	Proved bool   // false: it was sent and failed, which says nothing of what came of it later
}

// Trail is what is known of what was done to an account.
type Trail struct {
	Deeds  []Deed   // by when they ended
	Events []Logged // by when they happened
	Own    Keys
}

// Differing is one difference of an account between two nights.
type Differing struct {
	Field        Field
	To           string
	Gained, Lost bool      // products
	Since        time.Time // the earlier night
	Until        time.Time // the later one
	Read         time.Time // when the reading of the later night ended: what was done meanwhile can be in it
}

// GoneAfter is how long before the night that shows it as gone an account may have been deleted: 14
// days of grace, and one until Atlassian gets to it.
const GoneAfter = 15 * 24 * time.Hour

// WhoDid returns who brought the difference about, and when: a batch, else whom the log names, else
// nobody. Of several it is the latest, whose work is what the later night shows.
func (t Trail) WhoDid(d Differing) (By, time.Time) {
	if deed, ok := t.deed(d, true); ok {
		return deed.by(), deed.Ended
	}
	event, logged := t.event(d)
	if who := event.Actor.by(t.Own); logged && !who.Own {
		return who, event.At
	}
	// A step that did not show in time can have come through later; with our own key it is ours.
	if deed, ok := t.deed(d, false); ok {
		return deed.by(), deed.Ended
	}
	if logged {
		return event.Actor.by(t.Own), event.At
	}
	return By{}, time.Time{}
}

// DeletionBegan returns when the latest deletion began that the log tells of, the zero time where it was
// cancelled, or none is told of.
func (t Trail) DeletionBegan() (at time.Time) {
	for _, e := range t.Events {
		if !e.deletes() {
			continue
		}
		if at = e.At; e.Toward == TowardMore {
			at = time.Time{}
		}
	}
	return at
}

// Deactivated reports whether the latest of what the log tells between two moments, but for deletions,
// blocks the login.
func (t Trail) Deactivated(after, before time.Time) (is bool) {
	for _, e := range t.Events {
		if e.At.After(after) && e.At.Before(before) && slices.Contains(e.Fits, FieldStatus) && !e.deletes() && e.Toward != "" {
			is = e.Toward == TowardLess
		}
	}
	return is
}

// deletes reports whether the event is of a deletion, or of the end of one.
func (e Logged) deletes() bool {
	return slices.Contains(e.Fits, FieldGone) && slices.Contains(e.Fits, FieldStatus)
}

// By returns who the event names.
func (t Trail) By(e Logged) By { return e.Actor.by(t.Own) }

func (d Deed) by() By { return By{Kind: ByBatch, Batch: d.Batch, Requester: d.By} }

// deed returns the latest deed that explains the difference, of the proved ones or of the others.
func (t Trail) deed(d Differing, proved bool) (Deed, bool) {
	since := d.since()
	for _, deed := range slices.Backward(t.Deeds) {
		if deed.Proved == proved && deed.Ended.After(since) && !deed.Began.After(d.Read) && deed.explains(d) {
			return deed, true
		}
	}
	return Deed{}, false
}

// event returns the latest event before the later night that explains the difference, else the first
// one while that was read.
func (t Trail) event(d Differing) (found Logged, ok bool) {
	since := d.since()
	for _, e := range t.Events {
		switch {
		case e.At.Before(since) || e.At.After(d.Read) || !e.explains(d):
		case !e.At.After(d.Until), !ok:
			found, ok = e, true
		}
	}
	return found, ok
}

// since is from when on the difference can have been brought about.
func (d Differing) since() time.Time {
	if d.Field == FieldGone {
		return d.Since.Add(-GoneAfter)
	}
	return d.Since
}

func (e Logged) explains(d Differing) bool {
	return slices.Contains(e.Fits, d.Field) && d.goes(e.Toward)
}

func (d Deed) explains(diff Differing) bool {
	switch diff.Field {
	case FieldEmail, FieldName:
		to, sets := d.Set.Lookup(diff.Field)
		return sets && SameField(diff.Field, to, diff.To)
	case FieldStatus:
		return slices.Contains(statusActions, d.Action) && diff.goes(towards[d.Action])
	case FieldGone:
		return d.Action == Delete
	case FieldNew:
		return d.Action == Invite || d.Action == Provision
	case FieldBillable, FieldProducts:
		toward, changes := towards[d.Action]
		return changes && diff.goes(toward)
	}
	return false
}

// goes reports whether the difference goes that way.
func (d Differing) goes(way Toward) bool {
	if way == "" {
		return true
	}
	more := way == TowardMore
	switch d.Field {
	case FieldStatus:
		return more == (d.To == string(StatusActive))
	case FieldBillable:
		return more == (d.To == "true")
	case FieldProducts:
		return more && d.Gained || !more && d.Lost
	case FieldGone:
		return !more
	case FieldNew:
		return more
	}
	return true
}

// towards is what actions do to somebody's access, and so to what is billed.
var towards = map[ActionName]Toward{
	Activate: TowardMore, Restore: TowardMore, CancelDelete: TowardMore, GroupAdd: TowardMore, SiteGroupAdd: TowardMore,
	SiteCreate: TowardMore, Invite: TowardMore, Provision: TowardMore,
	Deactivate: TowardLess, Suspend: TowardLess, Remove: TowardLess, Delete: TowardLess, GroupRemove: TowardLess,
	SiteGroupRemove: TowardLess, SiteDelete: TowardLess, Offboard: TowardLess,
}

// statusActions are the actions that change an account's status.
var statusActions = []ActionName{Deactivate, Activate, Delete, CancelDelete, Offboard}

// fields are the fields that the action of a deed changes, as kinds of events fit them.
func (d Deed) fields() []Field {
	switch d.Action {
	case Rename:
		return []Field{FieldEmail}
	case SetName:
		return []Field{FieldName}
	case GroupAdd, GroupRemove:
		return []Field{FieldGroups}
	case Deactivate, Activate, Delete, CancelDelete:
		return []Field{FieldStatus}
	case Suspend, Restore, Remove:
		return []Field{FieldStatus, FieldProducts}
	case Invite:
		return []Field{FieldNew}
	}
	return nil
}

// eventSlack is how far the clocks of the two sides may be apart.
const eventSlack = time.Minute

// leaves reports whether the event can be the log's line about the deed.
func (d Deed) leaves(e Logged) bool {
	return !e.At.Before(d.Began.Add(-eventSlack)) && !e.At.After(d.Ended.Add(eventSlack)) &&
		slices.ContainsFunc(d.fields(), func(f Field) bool { return slices.Contains(e.Fits, f) })
}

// LearnKeys returns the keys that are ours by the events that our proved steps left: token id →
// label. Where two keys can have done a step, it teaches nothing.
func (t Trail) LearnKeys() Keys {
	learned := Keys{}
	for _, d := range t.Deeds {
		if !d.Proved {
			continue
		}
		tokens := Keys{}
		for _, e := range t.Events {
			if e.Actor.TokenID != "" && d.leaves(e) {
				tokens[e.Actor.TokenID] = e.Actor.TokenLabel
			}
		}
		if len(tokens) == 1 {
			maps.Copy(learned, tokens)
		}
	}
	return learned
}

// Deeds returns the steps that were sent, by when they ended.
func Deeds(made []Made) []Deed {
	var out []Deed
	for i := range made {
		m := &made[i]
		for at, s := range m.Steps {
			o := m.Outcome(at)
			proved := o.State == ChangeDone
			if !proved && (o.State != ChangeFailed || o.Attempts == 0) {
				continue
			}
			ended := cmp.Or(o.Finished, m.Finished)
			began := ended.Add(-eventSlack) // of several steps only the latest call is known
			if len(m.Steps) == 1 && !m.Called.IsZero() && m.Called.Before(ended) {
				began = m.Called
			}
			out = append(out, Deed{
				Action: s.Action, Expect: s.Expect, Set: s.Set, Group: m.StepGroup(at), Began: began, Ended: ended,
				Batch: m.Batch, By: m.Requester, Proved: proved,
			})
		}
	}
	slices.SortStableFunc(out, func(a, b Deed) int { return a.Ended.Compare(b.Ended) })
	return out
}
