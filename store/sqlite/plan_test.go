package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store/storetest"
)

// asked returns the statements that the readers have compiled since it was called the last time.
func asked(t *testing.T, db *DB) []string {
	t.Helper()
	var found []string
	conns := make([]*sql.Conn, readers)
	for i := range conns {
		var err error
		if conns[i], err = db.reader.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
		err = conns[i].Raw(func(c any) error {
			kept := c.(*keepingConn)
			for query, statement := range kept.ready {
				found = append(found, query)
				delete(kept.ready, query)
				if err := statement.Close(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// scanned returns the tables that a statement walks from one end to the other.
func scanned(t *testing.T, db *DB, query string) []string {
	t.Helper()
	inputs := strings.Count(query, "?")
	if numbered := regexp.MustCompile(`\?\d`).FindAllString(query, -1); len(numbered) > 0 {
		inputs = int(slices.Max(numbered)[1] - '0')
	}
	rows, err := db.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, inputs)...)
	plan, err := collect(rows, err, func(row scanner) (detail string, err error) {
		var none [3]any
		err = row.Scan(&none[0], &none[1], &none[2], &detail)
		return detail, err
	})
	if err != nil {
		t.Fatal(err)
	}
	walks := regexp.MustCompile(`^SCAN (\w+)|^SEARCH (snapshot_account\w*) .*\(population=\?\)$`) // all of a population is all that there is
	var tables []string
	for _, step := range plan {
		found := walks.FindStringSubmatch(step)
		if found != nil && !strings.Contains(step, "VIRTUAL TABLE") && !slices.Contains(small, found[1]) {
			tables = append(tables, step)
		}
	}
	return tables
}

// small are tables of a few rows, and names of what a statement has put together itself.
var small = []string{"own_key", "snapshot_product", "CONSTANT"}

// What is asked of one account, one address or one domain is found by an index, however much there is of others.
func TestOneAccountIsFoundByIndexes(t *testing.T) {
	db := openAt(t, t.TempDir()+"/countersign.db")
	account := storetest.Member(1)
	take(t, db, 0, members(3))
	moved := members(3)
	moved[1].Email = "moved@example.com"
	take(t, db, 1, moved)
	asked(t, db)
	for name, ask := range map[string]func(context.Context) error{
		"Sightings":  func(ctx context.Context) error { _, err := db.Sightings(ctx, account.ID); return err },
		"StatusSeen": func(ctx context.Context) error { _, err := db.StatusSeen(ctx, account.ID); return err },
		"MadeOf":     func(ctx context.Context) error { _, err := db.MadeOf(ctx, account.ID); return err },
		"KnownAs":    func(ctx context.Context) error { _, err := db.KnownAs(ctx, account.Email); return err },
		"KnownOn":    func(ctx context.Context) error { _, err := db.KnownOn(ctx, "example.com"); return err },
		"WhoHad":     func(ctx context.Context) error { _, err := db.WhoHad(ctx, account.Email); return err },
		"TrailOf": func(ctx context.Context) error {
			_, err := db.TrailOf(ctx, account.ID, []string{account.Email})
			return err
		},
		"Explained": func(ctx context.Context) error { _, err := db.Explained(ctx, "nightly", 2); return err },
		"Told":      func(ctx context.Context) error { _, _, err := db.Told(ctx, "nightly", 2); return err },
		"AccountHistory": func(ctx context.Context) error {
			_, err := db.AccountHistory(ctx, report.SitePopulation("main"), account.ID)
			return err
		},
	} {
		if err := ask(t.Context()); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", name, err))
		}
		statements := asked(t, db)
		if len(statements) == 0 {
			t.Errorf("%s asks nothing", name)
		}
		for _, query := range statements {
			for _, step := range scanned(t, db, query) {
				t.Errorf("%s: %s\n%s", name, step, query)
			}
		}
	}
	if walks := scanned(t, db, "SELECT id FROM change WHERE name = ?"); len(walks) != 1 {
		t.Errorf("a look at every change shows as %q", walks)
	}
}
