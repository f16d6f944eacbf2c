package sqlite

import (
	"testing"
)

// One text may run within itself, fail, and be left half read: each time the next run begins anew.
func TestStatementsAreKept(t *testing.T) {
	pool, err := openPool(dsn(t.TempDir()+"/kept.db", "immediate", 100, false))
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // what it wrote is not looked at
	if _, err := tx.ExecContext(t.Context(), "CREATE TABLE n (v INTEGER PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	const insert, list = "INSERT INTO n (v) VALUES (?)", "SELECT v FROM n WHERE v >= ? ORDER BY v"
	for v := range 3 {
		if _, err := tx.ExecContext(t.Context(), insert, v); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), insert, v); err == nil {
			t.Error("a second row of one key went in")
		}
	}
	count := func(from int, each func()) (n int) {
		rows, err := tx.QueryContext(t.Context(), list, from)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
		for want := from; rows.Next(); want++ {
			var v int
			if err := rows.Scan(&v); err != nil || v != want {
				t.Errorf("from %d: read %d, want %d; %v", from, v, want, err)
			}
			each()
			n++
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
		return n
	}
	if n := count(0, func() { count(1, func() {}) }); n != 3 {
		t.Errorf("%d rows outside, want 3", n)
	}
	for from := range 3 { // the first row alone is read
		var v int
		if err := tx.QueryRowContext(t.Context(), list, from).Scan(&v); err != nil || v != from {
			t.Errorf("from %d: %d, %v", from, v, err)
		}
	}
	if _, err := tx.ExecContext(t.Context(), "ALTER TABLE n ADD COLUMN w"); err != nil {
		t.Fatal(err)
	}
	if n := count(0, func() {}); n != 3 {
		t.Errorf("%d rows after the schema changed, want 3", n)
	}
	stmt, err := tx.PrepareContext(t.Context(), insert)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stmt.ExecContext(t.Context(), 7); err != nil {
		t.Error(err)
	}
	if err := stmt.Close(); err != nil { //nolint:sqlclosecheck // that it runs no more once closed is what is tested
		t.Error(err)
	}
	if _, err := stmt.ExecContext(t.Context(), 8); err == nil {
		t.Error("a closed statement ran")
	}
	if n := count(7, func() {}); n != 1 {
		t.Errorf("%d rows from 7 on, want 1", n)
	}
}
