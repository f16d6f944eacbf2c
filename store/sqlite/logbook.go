package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// LogReading returns how far the organisation's own log has been read.
func (db *DB) LogReading(ctx context.Context) (reading report.LogReading, err error) {
	err = db.read(ctx, "look up how far Atlassian's log was read", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT state, since, asked, refused, cursor, read_to, gap_from, gap_to, gap_found FROM org_log").
			Scan(&reading.State, moment{&reading.Since}, moment{&reading.Asked}, moment{&reading.Refused}, &reading.Cursor,
				moment{&reading.Read}, moment{&reading.Gap.From}, moment{&reading.Gap.To}, moment{&reading.Gap.Found})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return reading, err
}

// SaveLog writes events, a row for each account that one names, and how far the log has been read.
func (db *DB) SaveLog(ctx context.Context, reading report.LogReading, events []workflow.Logged) error {
	return db.write(ctx, "write down Atlassian's log", func(ctx context.Context, tx *writing) error {
		insert, err := tx.PrepareContext(ctx, `
			INSERT INTO org_event (subject, at, id, kind, fits, toward, actor, group_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // ends with the transaction anyway
		for _, e := range events {
			subject := e.Account
			if subject == "" {
				subject = e.Email
			}
			_, err := insert.ExecContext(ctx, subject, when(e.At), e.ID, e.Kind, fieldList(e.Fits), e.Toward, text(e.Actor), e.Group)
			if err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `
			INSERT OR REPLACE INTO org_log (one, state, since, asked, refused, cursor, read_to, gap_from, gap_to, gap_found)
			VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, reading.State, when(reading.Since), when(reading.Asked), when(reading.Refused),
			reading.Cursor, when(reading.Read), when(reading.Gap.From), when(reading.Gap.To), when(reading.Gap.Found))
		return err
	})
}

func fieldList(fields []workflow.Field) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = string(f)
	}
	return strings.Join(all, ";")
}

// SaveKeys adds to the keys that are known to be ours. The label is the latest.
func (db *DB) SaveKeys(ctx context.Context, keys workflow.Keys, at time.Time) error {
	return db.write(ctx, "write down our own keys", func(ctx context.Context, tx *writing) error {
		for token, label := range keys {
			_, err := tx.ExecContext(ctx, `INSERT INTO own_key (token, label, learned) VALUES (?, ?, ?)
				ON CONFLICT (token) DO UPDATE SET label = excluded.label`, token, label, when(at))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// trailChunk is for how many accounts one statement asks.
const trailChunk = 500

// Trails returns what is known of what was done to the accounts.
func (db *DB) Trails(ctx context.Context, accounts []report.Subject) (map[string]workflow.Trail, error) {
	trails := make(map[string]workflow.Trail, len(accounts))
	for chunk := range slices.Chunk(accounts, trailChunk) {
		err := db.read(ctx, "read what was done to accounts", func(tx *sql.Tx) error {
			return addTrails(ctx, tx, chunk, trails)
		})
		if err != nil {
			return nil, err
		}
	}
	return trails, nil
}

// TrailOf returns what is known of what was done to one account.
func (db *DB) TrailOf(ctx context.Context, account string, addresses []string) (workflow.Trail, error) {
	trails, err := db.Trails(ctx, []report.Subject{{ID: account, Emails: addresses}})
	return trails[account], err
}

func addTrails(ctx context.Context, tx *sql.Tx, accounts []report.Subject, trails map[string]workflow.Trail) error {
	own, err := ownKeys(ctx, tx)
	if err != nil {
		return err
	}
	var ids, subjects, spellings []string
	at := map[string][]string{} // by address: the ids of the accounts that have or had it
	for _, a := range accounts {
		ids = append(ids, a.ID)
		for _, email := range a.Emails {
			if key := workflow.AddressKey(email); email != "" && !slices.Contains(at[key], a.ID) {
				at[key] = append(at[key], a.ID)
				subjects, spellings = append(subjects, key), append(spellings, lowerSpellings(email)...)
			}
		}
		trails[a.ID] = workflow.Trail{Own: own}
	}
	add := func(id string, extend func(*workflow.Trail)) {
		t := trails[id]
		extend(&t)
		trails[id] = t
	}
	made, err := madeFor(ctx, tx, ids, spellings)
	if err != nil {
		return err
	}
	by := map[string][]workflow.Made{}
	for _, m := range made {
		if m.AccountID != "" {
			by[m.AccountID] = append(by[m.AccountID], m)
			continue
		}
		for _, id := range at[workflow.AddressKey(m.NewEmail())] { // it had no account yet
			by[id] = append(by[id], m)
		}
	}
	for id, list := range by {
		add(id, func(t *workflow.Trail) { t.Deeds = workflow.Deeds(list) })
	}
	events, err := loggedFor(ctx, tx, append(subjects, ids...))
	for _, e := range events {
		for _, id := range at[e.Email] {
			add(id, func(t *workflow.Trail) { t.Events = append(t.Events, e) })
		}
		if e.Account != "" {
			add(e.Account, func(t *workflow.Trail) { t.Events = append(t.Events, e) })
		}
	}
	return err
}

func ownKeys(ctx context.Context, tx *sql.Tx) (workflow.Keys, error) {
	keys := workflow.Keys{}
	rows, err := tx.QueryContext(ctx, "SELECT token, label FROM own_key")
	found, err := collect(rows, err, func(row scanner) (k [2]string, err error) { return k, row.Scan(&k[0], &k[1]) })
	for _, k := range found {
		keys[k[0]] = k[1]
	}
	return keys, err
}

// madeFor returns what batches have run for the accounts, and for addresses that had no account yet.
func madeFor(ctx context.Context, tx *sql.Tx, ids, spellings []string) ([]workflow.Made, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT b.requester_id, b.requester_name, c.batch, c.row, `+from("c", changeAll(&workflow.Change{}))+`
		FROM change c JOIN batch b ON b.number = c.batch
		WHERE c.id IN (
			SELECT id FROM change WHERE account_id IN (SELECT value FROM json_each(?1)) AND state IN ('done', 'failed')
			UNION
			SELECT id FROM change WHERE account_id = '' AND state IN ('done', 'failed')
				AND lower(wanted ->> '$.email') IN (SELECT value FROM json_each(?2)))
		ORDER BY c.id`, array(ids), array(spellings))
	return collect(rows, err, func(row scanner) (workflow.Made, error) {
		var m workflow.Made
		into := []any{&m.Requester.ID, &m.Requester.Name, &m.Batch, &m.Row}
		err := row.Scan(append(into, places(changeAll(&m.Change))...)...)
		return m, err
	})
}

// loggedFor returns the events of the accounts and addresses, by when they happened.
func loggedFor(ctx context.Context, tx *sql.Tx, subjects []string) ([]workflow.Logged, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT subject, at, id, kind, fits, toward, actor, group_name
		FROM org_event WHERE subject IN (SELECT value FROM json_each(?)) ORDER BY at, id`, array(subjects))
	return collect(rows, err, func(row scanner) (e workflow.Logged, err error) {
		var subject, fits string
		err = row.Scan(&subject, moment{&e.At}, &e.ID, &e.Kind, &fits, &e.Toward, document{&e.Actor}, &e.Group)
		if strings.Contains(subject, "@") {
			e.Email = subject
		} else {
			e.Account = subject
		}
		for f := range strings.SplitSeq(fits, ";") {
			e.Fits = append(e.Fits, workflow.Field(f))
		}
		return e, err
	})
}
