package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// askedRow is a row as it was asked for, as it is stored: values that are one of the cells are not
// stored twice, and cells that are no value lie apart, to be forgotten. It is read without any
// settings, and without what columns are called today.
type askedRow struct {
	row     workflow.Row
	ignored []string // cells that are no value; nil: there are none, or they were forgotten
	meaning string
	given   workflow.RowValues
}

// askedNames are the columns of a row as it was asked for, in the order of columns.
var askedNames = names((&askedRow{}).columns())

func (a *askedRow) columns() []column {
	return []column{
		{"action", &a.row.Action},
		{"cells", texts{&a.row.Cells}},
		{"ignored", texts{&a.ignored}},
		{"ignored_sha256", &a.row.Ignored},
		{"meaning", &a.meaning},
		{"given", values[workflow.Column]{&a.given}},
		{"problem", &a.row.Problem},
	}
}

// toStore returns how a row is stored.
func toStore(r workflow.Row) *askedRow {
	a := &askedRow{row: store.Sealed(&r)}
	meaning := store.Meaning(&r)
	if r.Ignored == "" && a.row.Ignored != "" {
		_, a.ignored = store.Ignored(&r, meaning)
	}
	last := 0
	spelled := make([]string, len(meaning))
	for i, column := range meaning {
		if column != "" {
			spelled[i], last = string(column), i+1
		}
	}
	a.meaning = strings.Join(spelled[:last], ",")
	for column, value := range r.Values.All() {
		if !slices.Contains(meaning, column) {
			a.given.Set(column, value)
		}
	}
	return a
}

// asked returns the row as it was asked for.
func (a *askedRow) asked() (workflow.Row, error) {
	r := a.row
	r.Values = a.given
	ignored := a.ignored
	meaning := strings.Split(a.meaning, ",")
	if a.meaning != "" && len(meaning) > len(r.Cells) {
		return r, fmt.Errorf("row %d: it has no cell for %s", r.Line, meaning[len(r.Cells)])
	}
	for i := range r.Cells {
		switch {
		case i < len(meaning) && meaning[i] != "":
			r.Values.Set(workflow.Column(meaning[i]), r.Cells[i])
		case len(ignored) > 0:
			r.Cells[i], ignored = ignored[0], ignored[1:]
		}
	}
	if a.ignored != nil {
		r.Ignored = "" // they are there
	}
	return r, nil
}

// rowID is the key of a row (request_row, change).
func rowID(number int64, row int) int64 { return number<<32 + int64(row) }

// addRows stores the rows of a request.
func addRows(ctx context.Context, tx *writing, number int64, rows []workflow.Row) error {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO request_row (id, "+askedNames+") VALUES (?, "+
		marks((&askedRow{}).columns())+")")
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }() // ends with the transaction anyway
	for i := range rows {
		if rows[i].Line < 0 || int64(rows[i].Line) > 1<<31 {
			return fmt.Errorf("batch %d: there is no row %d", number, rows[i].Line)
		}
		a := toStore(rows[i])
		if _, err := insert.ExecContext(ctx, append([]any{rowID(number, rows[i].Line)}, places(a.columns())...)...); err != nil {
			return err
		}
	}
	return nil
}

// Rows returns the rows of a batch as they were asked for, in their order.
func (db *DB) Rows(ctx context.Context, number int64) (list []workflow.Row, err error) {
	err = db.read(ctx, fmt.Sprintf("load what batch %d asks for", number), func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT row, "+askedNames+" FROM request_row WHERE id BETWEEN ? AND ? ORDER BY id",
			rowID(number, 0), rowID(number+1, 0)-1)
		list, err = collect(rows, err, func(row scanner) (workflow.Row, error) {
			var a askedRow
			if err := row.Scan(append([]any{&a.row.Line}, places(a.columns())...)...); err != nil {
				return workflow.Row{}, err
			}
			return a.asked()
		})
		return err
	})
	return list, err
}
