-- What makes tampering visible: where the log of events ends, kept apart from it and written in the same transaction; the
-- head of the log when a report ended, which its message shows; and triggers against the ways around the older ones.

-- +goose Up
CREATE TABLE event_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

INSERT INTO event_head (one, seq, hash) SELECT 1, seq, hash FROM event ORDER BY seq DESC LIMIT 1;

-- +goose StatementBegin
CREATE TRIGGER event_head_grows BEFORE UPDATE ON event_head WHEN NEW.seq <= OLD.seq
BEGIN
    SELECT RAISE (ABORT, 'the log of events is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER event_head_kept BEFORE DELETE ON event_head
BEGIN
    SELECT RAISE (ABORT, 'the log of events is append-only');
END;
-- +goose StatementEnd

-- INSERT OR REPLACE deletes without asking the triggers for DELETE.
-- +goose StatementBegin
CREATE TRIGGER event_new BEFORE INSERT ON event WHEN EXISTS (SELECT 1 FROM event WHERE seq >= NEW.seq)
BEGIN
    SELECT RAISE (ABORT, 'the log of events is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decision_new BEFORE INSERT ON decision
WHEN EXISTS (SELECT 1 FROM decision WHERE batch = NEW.batch AND seq = NEW.seq)
BEGIN
    SELECT RAISE (ABORT, 'a decision does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER batch_kept BEFORE DELETE ON batch
BEGIN
    SELECT RAISE (ABORT, 'a batch is kept');
END;
-- +goose StatementEnd

-- The bytes of a request may go after store.keep_files; nothing else of it changes.
-- +goose StatementBegin
CREATE TRIGGER request_file_stays BEFORE UPDATE ON request_file
WHEN NEW.batch <> OLD.batch OR NEW.sha256 <> OLD.sha256 OR NEW.bytes IS NOT NULL
BEGIN
    SELECT RAISE (ABORT, 'a request does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER request_file_kept BEFORE DELETE ON request_file
BEGIN
    SELECT RAISE (ABORT, 'a request is kept');
END;
-- +goose StatementEnd

ALTER TABLE report_run ADD COLUMN log_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE report_run ADD COLUMN log_hash TEXT NOT NULL DEFAULT '';
