package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// NumberList gives a list that was sent the number that its delivery has, or else the next one, and keeps
// its bytes.
func (db *DB) NumberList(ctx context.Context, list report.SentList) (number int, err error) {
	err = db.write(ctx, "number a comparison", func(ctx context.Context, tx *writing) error {
		err := tx.QueryRowContext(ctx, "SELECT number FROM comparison WHERE delivery = ?", list.Delivery).Scan(&number)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		hash := store.HexSum(list.Content)
		err = tx.QueryRowContext(ctx, `
			INSERT INTO comparison (delivery, person, author, at, file_name, sha256, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)
			RETURNING number`,
			list.Delivery, list.By, list.Author, when(list.At), list.FileName, hash, list.Content).Scan(&number)
		if err != nil {
			return err
		}
		event := workflow.Event{At: list.At, Actor: list.By, Kind: store.EventCompared}
		event.Data = []byte(text(store.Compared{
			Number: number, Delivery: list.Delivery, Author: list.Author, File: list.FileName, SHA256: hash,
		}))
		_, err = addEvents(ctx, tx, []workflow.Event{event}, nil)
		return err
	})
	return number, err
}

// ComparedList returns a list; workflow.ErrGone where there is none, or its bytes are gone.
func (db *DB) ComparedList(ctx context.Context, number int) (list report.SentList, err error) {
	err = db.read(ctx, fmt.Sprintf("read the list of comparison %d", number), func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `
			SELECT delivery, person, author, at, file_name, bytes FROM comparison WHERE number = ? AND bytes IS NOT NULL`, number).
			Scan(&list.Delivery, &list.By, &list.Author, moment{&list.At}, &list.FileName, &list.Content)
		if errors.Is(err, sql.ErrNoRows) {
			return workflow.ErrGone
		}
		return err
	})
	return list, err
}
