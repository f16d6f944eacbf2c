package sqlite

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

var _ report.Store = (*DB)(nil)

// TakeSnapshot takes a snapshot of the managed accounts.
func (db *DB) TakeSnapshot(
	ctx context.Context, name string, at time.Time, members iter.Seq2[workflow.Member, error],
) (report.Snapshot, error) {
	return db.TakeSnapshotOf(ctx, report.ManagedPopulation, name, at, members)
}

// TakeSnapshotOf compares the accounts with those that stand as they come, and keeps those alone that
// are different, sorted, in memory and a file beside the database. They are written in small parts
// once the sequence came to its end, and become visible with the row of the snapshot, which is the
// last. What a crash or an error leaves is taken back by the next one of the population.
func (db *DB) TakeSnapshotOf(
	ctx context.Context, population report.Population, name string, at time.Time, members iter.Seq2[workflow.Member, error],
) (report.Snapshot, error) {
	if !db.taking.TryLock() {
		return report.Snapshot{}, report.ErrBusy
	}
	defer db.taking.Unlock()
	t := &taking{db: db, population: population}
	defer t.close()
	if err := t.begin(ctx); err != nil {
		return report.Snapshot{}, err
	}
	for m, err := range members {
		if errors.Is(err, workflow.ErrListedAgain) {
			err = t.begin(ctx)
		} else if err == nil {
			err = t.add(&m)
		}
		if err != nil {
			return report.Snapshot{}, fmt.Errorf("read the accounts: %w", err)
		}
	}
	read := time.Now()
	if read.Before(at) { // the clock has been put back since
		read = at
	}
	return t.store(ctx, report.Snapshot{Report: name, Population: population, At: at, Read: read})
}

// What is known of an account while a snapshot is taken.
type seen uint8

const (
	stands         seen = 1 << iota // it is in the snapshot before
	listed                          // it came
	spooledAlready                  // it came otherwise than it stands, or for a second time after that
	active
	inactive
	billable
)

// taking is a snapshot that is being taken. Of an account that stands as it came there are a few
// dozen bytes in memory.
type taking struct {
	db         *DB
	population report.Population
	before, id int64 // the snapshot before, and the one that is to be

	ids      [2]maphash.Seed // of the keys of places, which no two ids share by any chance that counts
	contents maphash.Seed
	places   map[[2]uint64]int
	seen     []seen   // by place
	sums     []uint64 // by place, of accounts that stand
	free     []int    // places of nobody
	products catalogue
	days     *activity
	width    int    // the most products of an account
	accounts *spool // by id: the place, then what appendFields spells
	buffer   []byte
}

// begin takes in what stands, and forgets what came.
func (t *taking) begin(ctx context.Context) error {
	t.close()
	*t = taking{
		db: t.db, population: t.population, ids: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, contents: maphash.MakeSeed(),
		places: map[[2]uint64]int{}, days: newActivity(), accounts: t.db.spool("accounts", spoolMemory),
	}
	if err := t.takeBack(ctx); err != nil {
		return err
	}
	var err error
	if t.products, err = t.db.catalogue(ctx); err != nil {
		return err
	}
	return t.standing(ctx)
}

func (t *taking) close() {
	if t.accounts != nil {
		t.accounts.close()
	}
}

// key returns what stands for an id.
func (t *taking) key(id []byte) [2]uint64 {
	return [2]uint64{maphash.Bytes(t.ids[0], id), maphash.Bytes(t.ids[1], id)}
}

// occupy notes who is at a place.
func (t *taking) occupy(key [2]uint64, place int, s seen, sum uint64) {
	for len(t.seen) <= place {
		t.seen, t.sums = append(t.seen, 0), append(t.sums, 0)
	}
	t.places[key], t.seen[place], t.sums[place] = place, s, sum
}

// add takes in an account as it came.
func (t *taking) add(m *workflow.Member) error {
	t.buffer = append(t.buffer[:0], m.ID...)
	key := t.key(t.buffer)
	place, known := t.places[key]
	if !known {
		if place = len(t.seen); len(t.free) > 0 {
			place, t.free = t.free[len(t.free)-1], t.free[:len(t.free)-1]
		}
		t.occupy(key, place, 0, 0)
	}
	products := m.Products
	if !slices.IsSortedFunc(products, report.CompareProducts) {
		products = slices.Clone(products)
		report.SortProducts(products)
	}
	fields := t.appendFields(append(t.buffer, 0, 0, 0, 0), m, products)
	t.buffer = fields
	fields = fields[len(m.ID):]
	binary.LittleEndian.PutUint32(fields, uint32(place))
	s := t.seen[place]
	if s&stands == 0 || s&spooledAlready != 0 || t.sums[place] != maphash.Bytes(t.contents, fields[4:]) {
		if err := t.accounts.add(t.buffer[:len(m.ID)], fields); err != nil {
			return err
		}
		s |= spooledAlready
	}
	s = s&(stands|spooledAlready) | listed
	switch m.Status {
	case workflow.StatusActive:
		s |= active
	case workflow.StatusInactive:
		s |= inactive
	}
	if m.Billable {
		s |= billable
	}
	t.seen[place] = s
	t.addDays(place, m, products)
	return nil
}

func (t *taking) addDays(place int, m *workflow.Member, products []workflow.Product) {
	if m.Owner != "" {
		t.days.set(place, ownerSlot, m.Owner)
	}
	t.days.set(place, activeSlot, m.LastActive)
	for i := range products {
		t.days.set(place, productSlot+i, products[i].LastActive)
	}
	for i := len(products); i < t.width; i++ { // it came before, with more
		t.days.set(place, productSlot+i, "")
	}
	t.width = max(t.width, len(products))
}

// appendFields spells what a row of an account has, each with its length before it.
func (t *taking) appendFields(to []byte, m *workflow.Member, products []workflow.Product) []byte {
	to = appendField(to, m.Name)
	to = appendField(to, m.Email)
	to = appendField(to, m.Type)
	to = appendField(to, string(m.Status))
	bill := "0"
	if m.Billable {
		bill = "1"
	}
	to = appendField(to, bill)
	return appendField(to, t.products.spell(products))
}

func appendField[S ~string | ~[]byte](to []byte, field S) []byte {
	return append(binary.AppendUvarint(to, uint64(len(field))), field...)
}

// account is a row of an account as it was spooled.
type account struct {
	id                        string
	place                     int
	name, email, kind, status string
	billable                  bool
	products                  string
}

func accountOf(r record) (account, error) {
	a := account{id: string(r.key), place: int(binary.LittleEndian.Uint32(r.body))}
	rest, all, bill := r.body[4:], string(r.body[4:]), "" // the fields are parts of one text
	for _, field := range []*string{&a.name, &a.email, &a.kind, &a.status, &bill, &a.products} {
		n, head := binary.Uvarint(rest)
		if head <= 0 || uint64(len(rest)-head) < n {
			return a, errors.New("an account that was sorted beside the database is damaged")
		}
		at := len(all) - len(rest) + head
		*field, rest = all[at:at+int(n)], rest[head+int(n):]
	}
	a.billable = bill == "1"
	return a, nil
}

// figures counts the accounts that came.
func (t *taking) figures() report.Figures {
	var accounts, actives, inactives, billables int
	for _, s := range t.seen {
		accounts += int(s & listed / listed)
		actives += int(s & active / active)
		inactives += int(s & inactive / inactive)
		billables += int(s & billable / billable)
	}
	return report.Figures{
		report.FigureAccounts: accounts, report.FigureActive: actives, report.FigureInactive: inactives, report.FigureBillable: billables,
	}
}

// catalogue is the products by number, which accounts name by it.
type catalogue struct {
	numbers map[[3]string]int
	list    []workflow.Product // by number - 1
	stored  int                // how many of them are in the database
	spelled map[string][]workflow.Product
}

// spell spells products as a column.
func (c *catalogue) spell(products []workflow.Product) string {
	if len(products) == 0 {
		return "[]"
	}
	out := []byte{'['}
	for i := range products {
		p := &products[i]
		key := [3]string{p.Key, p.Name, p.URL}
		number, known := c.numbers[key]
		if !known {
			c.list = append(c.list, workflow.Product{Key: p.Key, Name: p.Name, URL: p.URL})
			number = len(c.list)
			c.numbers[key] = number
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(number), 10)
	}
	return string(append(out, ']'))
}

// read reads products as they are spelled; nil where there are none. They are not to be changed.
func (c *catalogue) read(spelled string) ([]workflow.Product, error) {
	if spelled == "[]" {
		return nil, nil
	}
	if list, ok := c.spelled[spelled]; ok {
		return list, nil
	}
	var numbers []int
	if err := json.Unmarshal([]byte(spelled), &numbers); err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	list := make([]workflow.Product, len(numbers))
	for i, n := range numbers {
		if n < 1 || n > len(c.list) {
			return nil, fmt.Errorf("read products: there is no product %d", n)
		}
		list[i] = c.list[n-1]
	}
	c.spelled[strings.Clone(spelled)] = list
	return list, nil
}
