package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// column is a column of a table and the place of its value in one of our types: a scan writes
// there, a statement reads it.
type column struct {
	name string
	at   any // a pointer, a moment, a document or a reference
}

// value returns what a statement writes.
func (c column) value() (driver.Value, error) {
	value, err := driver.DefaultParameterConverter.ConvertValue(c.at)
	if yes, ok := value.(bool); ok { // SQLite has numbers for it
		value = int64(0)
		if yes {
			value = int64(1)
		}
	}
	return value, err
}

// names spells the columns for a statement.
func names(columns []column) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.name
	}
	return strings.Join(all, ", ")
}

// marks returns as many parameters as there are columns.
func marks(columns []column) string {
	return strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
}

// places returns pointers to the values.
func places(columns []column) []any {
	all := make([]any, len(columns))
	for i, c := range columns {
		all[i] = c.at
	}
	return all
}

// moment is a time.Time as a column: text in UTC, NULL for the zero time.
type moment struct{ at *time.Time }

// Scan reads the column into the time.
func (m moment) Scan(value any) error {
	if value == nil {
		*m.at = time.Time{}
		return nil
	}
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("read a moment: it is a %T", value)
	}
	at, err := time.Parse(store.MomentForm, text)
	if err != nil {
		return fmt.Errorf("read a moment: %w", err)
	}
	*m.at = at
	return nil
}

// Value returns the time for SQL.
func (m moment) Value() (driver.Value, error) { return when(*m.at), nil }

// when returns the value of a moment for SQL.
func when(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format(store.MomentForm)
}

// document is a value kept as JSON, given by a pointer to it. A nil pointer and an empty list are
// NULL.
type document struct{ into any }

// Value encodes it.
func (d document) Value() (driver.Value, error) {
	switch v := reflect.ValueOf(d.into).Elem(); v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			return nil, nil
		}
	}
	return text(d.into), nil
}

// Scan decodes the column.
func (d document) Scan(value any) error {
	if value == nil {
		return nil
	}
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("read a value: it is a %T", value)
	}
	return json.Unmarshal([]byte(text), d.into)
}

// reference is the key of another row; 0 is NULL.
type reference struct{ to *int64 }

// Scan reads the column.
func (r reference) Scan(value any) error {
	*r.to = 0
	if value == nil {
		return nil
	}
	number, ok := value.(int64)
	if !ok {
		return fmt.Errorf("read a reference: it is a %T", value)
	}
	*r.to = number
	return nil
}

// Value returns the key for SQL.
func (r reference) Value() (driver.Value, error) {
	if *r.to == 0 {
		return nil, nil
	}
	return *r.to, nil
}

// effects are side effects as one word, so that rows can be counted by it (store.EffectsText).
type effects struct{ of *[]workflow.Effect }

// Scan reads the column.
func (e effects) Scan(value any) error {
	*e.of = nil
	spelled, ok := value.(string)
	if !ok {
		return fmt.Errorf("read side effects: it is a %T", value)
	}
	if spelled == "" {
		return nil
	}
	for word := range strings.SplitSeq(spelled, ";") {
		*e.of = append(*e.of, workflow.Effect(word))
	}
	return nil
}

// Value returns the word.
func (e effects) Value() (driver.Value, error) { return store.EffectsText(*e.of), nil }

// text spells a value for a column of JSON.
func text(v any) string { return store.Text(v) }

// reading is a transaction to read in.
type reading interface {
	queryer
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is a row of a query or the only one.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// array spells the values of a list as one parameter: JSON, for a column or for json_each in an IN
// list.
func array[S ~string](values []S) string {
	if values == nil {
		values = []S{}
	}
	return text(values)
}
