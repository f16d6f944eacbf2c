package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

const runColumns = `id, report, kind, due, asked_by, date, file_name, state, started, finished, first_failed, next_try,
	attempts, ifnull(snapshot, 0), reason, figures`

// CaughtUpTo returns the moment after which a schedule's moments have not been run (report.Runs). A
// line or a zone that is new begins now.
func (db *DB) CaughtUpTo(ctx context.Context, name, line, zone string, now time.Time) (owed time.Time, err error) {
	err = db.write(ctx, "look up the schedule of "+name, func(ctx context.Context, tx *writing) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO report_schedule (report, line, zone, since) VALUES (?, ?, ?, ?)
			ON CONFLICT (report) DO UPDATE SET line = excluded.line, zone = excluded.zone, since = excluded.since
			WHERE line <> excluded.line OR zone <> excluded.zone`, name, line, zone, when(now))
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `
			SELECT max(since, ifnull((SELECT max(due) FROM report_run WHERE report = ?1 AND asked_by = ''), ''))
			FROM report_schedule WHERE report = ?1`, name).Scan(moment{&owed})
	})
	return owed, err
}

// CreateRun records a run and the events; report.ErrBusy when the report has a live one, or has had
// this one.
func (db *DB) CreateRun(ctx context.Context, run report.Run, events ...workflow.Event) (report.Run, error) {
	err := db.write(ctx, "record a run of "+run.Report, func(ctx context.Context, tx *writing) error {
		err := tx.QueryRowContext(ctx, `
			INSERT INTO report_run (report, kind, due, asked_by, date, file_name, state, started, finished, first_failed,
				next_try, attempts, snapshot, reason, figures)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?) RETURNING id`,
			run.Report, run.Kind, when(run.Due), run.By, run.Date, run.FileName, run.State, when(run.Started),
			when(run.Finished), when(run.FirstFailed), when(run.NextTry), run.Attempts, run.Snapshot, run.Reason,
			document{&run.Figures}).Scan(&run.ID)
		if breaksUnique(err) {
			return report.ErrBusy
		}
		if err != nil {
			return err
		}
		_, err = addEvents(ctx, tx, events, nil)
		return err
	})
	if err != nil {
		return report.Run{}, err
	}
	return run, nil
}

// UpdateRun loads the run, applies the rule and writes it and the events. An error of the rule
// leaves everything as it was. A run that ends leaves an event of its own.
func (db *DB) UpdateRun(
	ctx context.Context, id int64, rule func(*report.Run) error, events ...workflow.Event,
) (run report.Run, err error) {
	err = db.write(ctx, fmt.Sprintf("update report run %d", id), func(ctx context.Context, tx *writing) error {
		run, err = scanRun(tx.QueryRowContext(ctx, "SELECT "+runColumns+" FROM report_run WHERE id = ?", id))
		if errors.Is(err, sql.ErrNoRows) {
			return report.ErrNoRun
		}
		if err != nil {
			return err
		}
		live := run.State.Live()
		if err := rule(&run); err != nil {
			return err
		}
		run.ID = id
		_, err := tx.ExecContext(ctx, `
			UPDATE report_run SET state = ?, started = ?, finished = ?, first_failed = ?, next_try = ?, attempts = ?,
				snapshot = nullif(?, 0), reason = ?, figures = ?
			WHERE id = ?`,
			run.State, when(run.Started), when(run.Finished), when(run.FirstFailed), when(run.NextTry), run.Attempts,
			run.Snapshot, run.Reason, document{&run.Figures}, id)
		if err != nil {
			return err
		}
		if live && !run.State.Live() {
			events = append(events, runEvent(run))
		}
		head, err := addEvents(ctx, tx, events, nil)
		if err != nil || !live || run.State.Live() {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE report_run SET log_seq = ?, log_hash = ? WHERE id = ?", head.Seq, head.Hash, id)
		return err
	})
	if err != nil {
		return report.Run{}, err
	}
	return run, nil
}

// runEvent tells that a run ended.
func runEvent(run report.Run) workflow.Event {
	e := workflow.Event{At: run.Finished, Actor: run.By, Kind: "report_" + string(run.State)}
	if e.Actor == "" {
		e.Actor = workflow.Bot
	}
	facts := map[string]any{"report": run.Report, "run": run.ID, "date": run.Date}
	if run.State == report.RunDone {
		facts["snapshot"], facts["figures"] = run.Snapshot, run.Figures
	} else {
		facts["reason"] = run.Reason
	}
	e.Data = []byte(text(facts))
	return e
}

// LiveRun returns the report's waiting or running run; ok is false when there is none.
func (db *DB) LiveRun(ctx context.Context, name string) (run report.Run, ok bool, err error) {
	err = db.read(ctx, "look for a run of "+name, func(tx *sql.Tx) error {
		run, err = scanRun(tx.QueryRowContext(ctx,
			"SELECT "+runColumns+" FROM report_run WHERE report = ? AND state IN ('running', 'waiting')", name))
		if errors.Is(err, sql.ErrNoRows) {
			run = report.Run{}
			return nil
		}
		ok = err == nil
		return err
	})
	return run, ok, err
}

func scanRun(row scanner) (run report.Run, err error) {
	err = row.Scan(&run.ID, &run.Report, &run.Kind, moment{&run.Due}, &run.By, &run.Date, &run.FileName, &run.State,
		moment{&run.Started}, moment{&run.Finished}, moment{&run.FirstFailed}, moment{&run.NextTry}, &run.Attempts,
		&run.Snapshot, &run.Reason, document{&run.Figures})
	return run, err
}

// resultsQuery reads ended runs (r), each with the run before it that did not fail (b).
const resultsQuery = `
	SELECT r.id, r.report, r.kind, r.asked_by, r.date, r.file_name, r.finished, r.figures,
		r.state = 'failed', r.reason, ifnull(r.snapshot, 0), r.log_seq, r.log_hash, iif(b.id IS NULL, NULL, ifnull(b.figures, '{}'))
	FROM report_run r LEFT JOIN report_run b ON b.id = (
		SELECT max(p.id) FROM report_run p WHERE p.report = r.report AND p.state = 'done' AND p.id < r.id)
	WHERE r.state IN ('done', 'failed') `

// Result returns a run that ended; report.ErrNoRun when there is none of that number.
func (db *DB) Result(ctx context.Context, run int64) (result report.Result, err error) {
	err = db.read(ctx, fmt.Sprintf("load report run %d", run), func(tx *sql.Tx) error {
		result, err = scanResult(tx.QueryRowContext(ctx, resultsQuery+"AND r.id = ?", run))
		if errors.Is(err, sql.ErrNoRows) {
			return report.ErrNoRun
		}
		return err
	})
	return result, err
}

// Results lists the ended runs of a report, of one date (all when it is ""), newest first, at most
// limit (0 = all).
func (db *DB) Results(ctx context.Context, name, date string, limit int) ([]report.Result, error) {
	const where = "AND r.report = ?1 AND (?2 = '' OR r.date = ?2) ORDER BY r.id DESC LIMIT ?3"
	return db.results(ctx, where, name, date, orAll(limit))
}

// UnpostedResults lists the ended runs whose posts are missing or half sent, or whose message says that
// the file waits, oldest first. A result without a snapshot has no file to post.
func (db *DB) UnpostedResults(ctx context.Context) ([]report.Result, error) {
	return db.results(ctx, `
		AND (NOT EXISTS (
				SELECT 1 FROM post p
				WHERE p.key = 'report/' || r.report || '/' || r.id || '/message' AND p.ts <> '' AND p.sending IS NULL
					AND p.version <> ?)
			OR r.snapshot IS NOT NULL AND NOT EXISTS (
				SELECT 1 FROM post p
				WHERE p.key = 'report/' || r.report || '/' || r.id || '/file' AND p.file <> '' AND p.sending IS NULL))
		ORDER BY r.id`, report.FileWaits)
}

func (db *DB) results(ctx context.Context, where string, args ...any) (list []report.Result, err error) {
	err = db.read(ctx, "list the runs of reports", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, resultsQuery+where, args...)
		list, err = collect(rows, err, scanResult)
		return err
	})
	return list, err
}

func scanResult(row scanner) (r report.Result, err error) {
	err = row.Scan(&r.Run, &r.Report, &r.Kind, &r.By, &r.Date, &r.FileName, moment{&r.At},
		document{&r.Figures}, &r.Failed, &r.Reason, &r.Snapshot, &r.Log.Seq, &r.Log.Hash, document{&r.Before})
	return r, err
}
