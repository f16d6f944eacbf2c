package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// groupChanged is the kind of event that tells of a user group whose members decide who may ask or
// approve.
const groupChanged = "group_changed"

// RecordGroup writes down who is in a user group, when it is not who was in it when it was last
// read: what is remembered and the event are one transaction.
func (db *DB) RecordGroup(ctx context.Context, group string, members []string) error {
	members = slices.Compact(slices.Sorted(slices.Values(members)))
	return db.write(ctx, "note the members of "+group, func(ctx context.Context, tx *writing) error {
		name := "group/" + group
		var before []string
		err := tx.QueryRowContext(ctx, "SELECT value FROM memory WHERE name = ?", name).Scan(jsonBlob{&before})
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case slices.Equal(before, members):
			return nil
		}
		added := slices.DeleteFunc(slices.Clone(members), func(id string) bool { return slices.Contains(before, id) })
		removed := slices.DeleteFunc(slices.Clone(before), func(id string) bool { return slices.Contains(members, id) })
		now := time.Now()
		_, err = tx.ExecContext(ctx, `INSERT INTO memory (name, value, at) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at`, name, []byte(array(members)), when(now))
		if err != nil {
			return err
		}
		told := json.RawMessage(text(map[string]any{
			"group": group, "added": json.RawMessage(array(added)), "removed": json.RawMessage(array(removed)),
		}))
		_, err = addEvents(ctx, tx, []workflow.Event{{At: now, Actor: workflow.Bot, Kind: groupChanged, Data: told}}, nil)
		return err
	})
}

// RecordedGroup returns who was in a user group when that was last recorded, in the order of their
// ids; nil when it never was.
func (db *DB) RecordedGroup(ctx context.Context, group string) (members []string, err error) {
	err = db.read(ctx, "look up the members of "+group, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT value FROM memory WHERE name = ?", "group/"+group).Scan(jsonBlob{&members})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return members, err
}

// jsonBlob reads JSON out of a BLOB.
type jsonBlob struct{ into any }

// Scan decodes the column.
func (j jsonBlob) Scan(value any) error {
	raw, ok := value.([]byte)
	if !ok {
		return errors.New("it is no bytes")
	}
	return json.Unmarshal(raw, j.into)
}
