package workflow

import (
	"cmp"
	"slices"
	"time"
)

// Sighting is how an account looked in nightly snapshots that follow each other.
type Sighting struct {
	Account
	First, Last time.Time // of these nights, as far as they are kept
	Read        time.Time // when the reading of First ended
	Before      time.Time // the night before First; zero where none is kept
	After       time.Time // the night after Last; zero where Last is the latest
	AfterRead   time.Time // when the reading of After ended
}

// Made is a change that a batch has run on an account.
type Made struct {
	Change
	Requester Person
}

// HappeningKind is the kind of thing that happened to an account.
type HappeningKind string

// The kinds.
const (
	HappenedSeen    HappeningKind = "seen"    // it is in a snapshot, and was in none before
	HappenedGone    HappeningKind = "gone"    // it is no longer in the snapshots
	HappenedBack    HappeningKind = "back"    // it is in them again
	HappenedChanged HappeningKind = "changed" // a field is other than it was
	HappenedStep    HappeningKind = "step"    // a batch did something that is no field of the account
	HappenedGroup   HappeningKind = "group"   // somebody else changed a membership, by Atlassian's log
)

// Happening is one thing that happened to an account. What a batch did has its moment and its
// number; what only two nights show happened between them, by whoever Atlassian's log names.
type Happening struct {
	Kind  HappeningKind
	At    time.Time // for what nights show, the night that showed it
	Since time.Time // the night before that; zero for what a batch did, and where no night is before
	Field Field     // of HappenedChanged: FieldEmail, FieldStatus or FieldName
	From  string
	To    string

	Action ActionName // of a batch's step
	Batch  int64      // 0: not by countersign
	By     Person     // who asked for that
	Who    By         // who else did it, as far as Atlassian's log tells
	Toward Toward     // of HappenedGroup: whether into the group or out of it

	Account Account // of HappenedSeen and HappenedBack: as it looked then
}

// AccountHistory is what is known of the past of one account.
type AccountHistory struct {
	ID     string
	Name   string // the latest that is known
	Email  string
	Nights int // how many nights are kept; 0: none
	Since  time.Time
	Past   []Happening // oldest first
}

// historyFields are the fields of which a history tells.
var historyFields = []Field{FieldEmail, FieldStatus, FieldName}

// Happenings puts together what the nights show of an account, what batches did to it and what
// Atlassian's log tells of it, oldest first. A difference between two nights that a batch made is
// told once, as the batch's.
func Happenings(nights []Sighting, made []Made, trail Trail) []Happening {
	out := stepsOf(made)
	byBatch := slices.Clone(out)
	who := func(h Happening, read time.Time, field Field, to string) Happening {
		if h.Since.IsZero() {
			return h // the first night tells of no difference
		}
		by, _ := trail.WhoDid(Differing{Field: field, To: to, Since: h.Since, Until: h.At, Read: later(h.At, read)})
		if by.Kind == ByBatch {
			h.Batch, h.By = by.Batch, by.Requester
		} else {
			h.Who = by
		}
		return h
	}
	for i, n := range nights {
		switch {
		case i == 0:
			out = append(out, who(Happening{Kind: HappenedSeen, At: n.First, Since: n.Before, Account: n.Account}, n.Read, FieldNew, ""))
			continue
		case !nights[i-1].After.IsZero() && nights[i-1].After.Before(n.First):
			out = append(out, who(Happening{Kind: HappenedGone, At: nights[i-1].After, Since: nights[i-1].Last}, nights[i-1].AfterRead, FieldGone, ""),
				who(Happening{Kind: HappenedBack, At: n.First, Since: n.Before, Account: n.Account}, n.Read, FieldNew, ""))
		}
		for _, field := range historyFields {
			before, now := ProfileValues(nights[i-1].Account).Get(field), ProfileValues(n.Account).Get(field)
			if before == now || explained(byBatch, field, now, nights[i-1].Last, later(n.First, n.Read)) {
				continue
			}
			out = append(out, who(Happening{
				Kind: HappenedChanged, Field: field, From: before, To: now, Since: nights[i-1].Last, At: n.First,
			}, n.Read, field, now))
		}
	}
	if len(nights) > 0 {
		if last := nights[len(nights)-1]; !last.After.IsZero() {
			out = append(out, who(Happening{Kind: HappenedGone, At: last.After, Since: last.Last}, last.AfterRead, FieldGone, ""))
		}
	}
	out = append(out, groupsByOthers(trail)...)
	slices.SortStableFunc(out, func(a, b Happening) int { return a.At.Compare(b.At) })
	return out
}

// later returns the later of two moments: what a night shows was done before its reading ended.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// explained reports whether a batch brought the field to that value between a night and the end of the
// reading of another.
func explained(byBatch []Happening, field Field, now string, since, read time.Time) bool {
	return slices.ContainsFunc(byBatch, func(h Happening) bool {
		return h.Field == field && SameField(field, h.To, now) && h.At.After(since) && !h.At.After(read)
	})
}

// stepsOf are the steps that batches have made and proved, in the order of their ends.
func stepsOf(made []Made) []Happening {
	var out []Happening
	for i := range made {
		m := &made[i]
		for at, s := range m.Steps {
			o := m.Outcome(at)
			if o.State != ChangeDone {
				continue
			}
			done := cmp.Or(o.Finished, m.Finished)
			told := false
			for _, field := range historyFields {
				if to, sets := s.Set.Lookup(field); sets {
					told = true
					out = append(out, Happening{
						Kind: HappenedChanged, At: done, Field: field, From: s.Expect.Get(field), To: to,
						Action: s.Action, Batch: m.Batch, By: m.Requester,
					})
				}
			}
			if !told {
				out = append(out, Happening{Kind: HappenedStep, At: done, To: m.StepGroup(at), Action: s.Action, Batch: m.Batch, By: m.Requester})
			}
		}
	}
	return out
}

// groupsByOthers are the memberships that somebody changed and no batch of ours.
func groupsByOthers(trail Trail) []Happening {
	var out []Happening
	for _, e := range trail.Events {
		by := trail.By(e)
		ours := by.Own && slices.ContainsFunc(trail.Deeds, func(d Deed) bool { return d.leaves(e) })
		if e.Group != "" && slices.Contains(e.Fits, FieldGroups) && !ours {
			out = append(out, Happening{Kind: HappenedGroup, At: e.At, To: e.Group, Toward: e.Toward, Who: by})
		}
	}
	return out
}
