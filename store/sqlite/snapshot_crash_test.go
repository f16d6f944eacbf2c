package sqlite

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store/storetest"
	"github.com/countersign/countersign/workflow"
)

var (
	nightsSeed  = flag.Uint64("nights-seed", 0, "seed of TestNightsAndPowerCuts; 0: another one each time")
	nightsLives = flag.Int("nights-lives", 4, "databases that TestNightsAndPowerCuts fills")
)

// until is a context that ends once it was asked so often whether it has: what writes in transactions
// stops between two of them, or in one.
type until struct {
	context.Context
	left *atomic.Int64 // database/sql asks from goroutines of its own, too
}

func (u until) Err() error {
	if u.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// life is a database with all that should be in it.
type life struct {
	*testing.T
	dice   *rand.Rand
	db     *DB
	path   string
	night  int
	nights map[report.Population][]kept
	cuts   int
}

// kept is a snapshot with a full copy of it.
type kept struct {
	report.Snapshot
	name    string
	members []workflow.Member
}

// Random nights of random accounts, dropped nights, and a power cut between any two transactions: at
// any moment each snapshot that was taken is as a full copy of it, and what was cut off is not there.
func TestNightsAndPowerCuts(t *testing.T) {
	t.Parallel()
	seed := *nightsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-nights-seed=%d", seed)
	cuts := 0
	for n := range *nightsLives {
		l := &life{T: t, dice: rand.New(rand.NewPCG(seed, uint64(n))), path: filepath.Join(t.TempDir(), "countersign.db")}
		l.nights = map[report.Population][]kept{}
		l.open()
		for range 14 {
			l.step()
		}
		cuts += l.cuts
	}
	if cuts == 0 {
		t.Error("nothing was ever cut off")
	}
}

// open opens the database, with transactions of a step or a few and next to no memory.
func (l *life) open() {
	l.db = openAt(l.T, l.path)
	l.db.inOne = together{1 + l.dice.IntN(4), 1 + l.dice.IntN(500), 1 + l.dice.IntN(4)}
}

func (l *life) step() {
	population := report.ManagedPopulation
	if l.dice.IntN(4) == 0 {
		population = report.SitePopulation("main")
	}
	switch l.dice.IntN(6) {
	case 0:
		l.open()
	case 1:
		l.keep(population)
	default:
		l.take(population)
	}
	for _, nights := range l.nights {
		for i, k := range nights {
			l.compare(k, nights[max(i-1, 0)])
		}
	}
	l.compareHistories()
}

// cut returns a context that ends somewhere, or does not.
func (l *life) cut() context.Context {
	if l.dice.IntN(2) == 0 {
		return l.Context()
	}
	left := new(atomic.Int64)
	left.Store(int64(l.dice.IntN(40)))
	return until{l.Context(), left}
}

func (l *life) take(population report.Population) {
	var list []workflow.Member
	for n := range 9 {
		if l.dice.IntN(4) > 0 {
			list = append(list, l.member(n))
		}
	}
	sent := slices.Clone(list)
	l.dice.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
	for n := range l.dice.IntN(3) { // comes twice, and counts as it comes last
		sent = slices.Insert(sent, 0, l.member(n))
		at := slices.IndexFunc(list, func(m workflow.Member) bool { return m.ID == sent[0].ID })
		switch {
		case at < 0:
			list = append(list, sent[0])
		case list[at].Owner == "": // it was read the first time
			list[at].Owner = sent[0].Owner
		}
	}
	slices.SortFunc(list, func(a, b workflow.Member) int { return compareIDs(a.ID, b.ID) })
	again := l.dice.IntN(4) == 0
	l.night++
	name, at := "nightly"+string(population), noon.AddDate(0, 0, l.night)
	s, err := l.db.TakeSnapshotOf(l.cut(), population, name, at, func(yield func(workflow.Member, error) bool) {
		if again && (!yield(l.member(100), nil) || !yield(workflow.Member{}, workflow.ErrListedAgain)) {
			return
		}
		for _, m := range sent {
			if !yield(m, nil) {
				return
			}
		}
	})
	if errors.Is(err, context.Canceled) {
		l.cuts++
		return
	}
	if err != nil {
		l.Fatal(err)
	}
	_, err = l.db.CreateRun(l.Context(), report.Run{
		Report: name, Due: at, Date: at.Format(time.DateOnly), State: report.RunDone, Snapshot: s.ID,
	})
	if err != nil {
		l.Fatal(err)
	}
	l.nights[population] = append(l.nights[population], kept{s, name, l.owned(population, list)})
}

func compareIDs(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// owned gives accounts whose owner was not read the one that is known.
func (l *life) owned(population report.Population, list []workflow.Member) []workflow.Member {
	nights := l.nights[population]
	for i := range list {
		list[i].Managed = population == report.ManagedPopulation
		if list[i].Owner != "" || len(nights) == 0 {
			continue
		}
		for _, before := range nights[len(nights)-1].members {
			if before.ID == list[i].ID {
				list[i].Owner = before.Owner
			}
		}
	}
	return list
}

func (l *life) member(n int) workflow.Member {
	m := storetest.Member(n)
	pick := func(of ...string) string { return of[l.dice.IntN(len(of))] }
	m.Name, m.Email = pick("Ann", "Bea"), pick(fmt.Sprintf("u%d@example.com", n), "shared@example.com", "")
	m.Status = workflow.AccountStatus(pick("active", "active", "inactive"))
	m.LastActive = pick("", "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-24T10:00:00Z")
	m.Owner, m.Billable = pick("", "", "organisation"), l.dice.IntN(2) == 0
	if m.Products = m.Products[:l.dice.IntN(3)]; len(m.Products) == 0 {
		m.Products = nil
	}
	for i := range m.Products {
		m.Products[i].LastActive = pick("", "2026-11-20", "2026-11-24")
	}
	return m
}

func (l *life) keep(population report.Population) {
	nights, left := l.nights[population], 1+l.dice.IntN(4)
	if len(nights) == 0 {
		return
	}
	_, err := l.db.KeepSnapshots(l.cut(), nights[0].name, left)
	if err != nil && !errors.Is(err, context.Canceled) {
		l.Fatal(err)
	}
	list, err := l.db.ListSnapshots(l.Context(), report.SnapshotQuery{Population: population})
	if err != nil {
		l.Fatal(err)
	}
	if len(list) != len(nights) && len(list) != min(left, len(nights)) {
		l.Fatalf("%d of %d nights are left, want all or %d", len(list), len(nights), left)
	}
	l.nights[population] = nights[len(nights)-len(list):]
}

// compare holds a snapshot, and what is different from another, against the copies.
func (l *life) compare(k, other kept) {
	l.Helper()
	if diff := gocmp.Diff(k.members, readBack(l.T, l.db, k.ID)); diff != "" {
		l.Fatalf("snapshot %d (-want +got)\n%s", k.ID, diff)
	}
	want := storetest.Compared(other.members, k.members)
	if diff := gocmp.Diff(want, storetest.Differences(l.T, l.db, other.ID, k.ID)); diff != "" {
		l.Fatalf("snapshots %d and %d (-want +got)\n%s", other.ID, k.ID, diff)
	}
}

// compareHistories holds the history of an account, and who had an address, against the copies.
func (l *life) compareHistories() {
	nights := l.nights[report.ManagedPopulation]
	id := storetest.Member(l.dice.IntN(9)).ID
	versions, err := l.db.AccountHistory(l.Context(), report.ManagedPopulation, id)
	if err != nil {
		l.Fatal(err)
	}
	had := map[string]bool{}
	for _, k := range nights {
		at := slices.IndexFunc(k.members, func(m workflow.Member) bool { return m.ID == id })
		in := slices.IndexFunc(versions, func(v report.Version) bool { return v.First.ID <= k.ID && k.ID <= v.Last.ID })
		if (at < 0) != (in < 0) || at >= 0 && (k.members[at].Email != versions[in].Email || !k.members[at].Same(versions[in].Account)) {
			l.Fatalf("night %d of %s is not in %+v", k.ID, id, versions)
		}
		for _, m := range k.members {
			if m.Email == "shared@example.com" {
				had[m.ID] = true
			}
		}
	}
	who, err := l.db.WhoHad(l.Context(), "Shared@example.com")
	if err != nil {
		l.Fatal(err)
	}
	for _, id := range who {
		if !had[id] {
			l.Fatalf("%s never had the address", id)
		}
		delete(had, id)
	}
	if len(had) > 0 {
		l.Fatalf("%v had the address, too", had)
	}
}
