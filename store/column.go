package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// momentForm has a fixed width, so that moments sort as text.
const momentForm = "2006-01-02T15:04:05.000000000Z"

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
	at, err := time.Parse(momentForm, text)
	if err != nil {
		return fmt.Errorf("read a moment: %w", err)
	}
	*m.at = at
	return nil
}

// when is the value of a moment for SQL.
func when(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format(momentForm)
}

// document is a value kept as JSON; NULL leaves the value as it is.
type document struct{ into any }

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

// text encodes a value for a column of JSON, with & and < as they are, for people who read it there. The types are ours
// and of strings, numbers and times, which always encode.
func text(v any) string {
	var buf strings.Builder
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("store: encode %T: %v", v, err)) // a fault of this package, not of any input
	}
	return strings.TrimSuffix(buf.String(), "\n")
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

// array spells the values of a list as one parameter: JSON, for a column or for json_each in an IN list.
func array[S ~string](values []S) string {
	if values == nil {
		values = []S{}
	}
	return text(values)
}
