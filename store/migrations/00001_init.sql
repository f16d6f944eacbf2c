-- Moments are text in UTC with nine decimals, so that they sort and can be read; NULL is "has not happened". Nested
-- values (steps, sources, facts) are JSON. The names of the states stand in Go as well; a test compares the two.

-- +goose Up
PRAGMA application_id = 1668507502;

CREATE TABLE batch (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id          TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN (
        'planning', 'awaiting_approval', 'approved', 'running', 'paused', 'done', 'rejected', 'expired', 'cancelled',
        'empty')),
    revision        INTEGER NOT NULL,
    requester_id    TEXT NOT NULL,
    requester_name  TEXT NOT NULL,
    requester_email TEXT NOT NULL,
    author_id       TEXT NOT NULL,
    author_name     TEXT NOT NULL,
    author_email    TEXT NOT NULL,
    reason          TEXT NOT NULL,
    verb            TEXT NOT NULL,
    source          TEXT NOT NULL CHECK (json_valid(source)),
    follows         INTEGER REFERENCES batch (number),
    rows            INTEGER NOT NULL,
    checked         INTEGER NOT NULL,
    ignored         TEXT NOT NULL CHECK (json_valid(ignored)),
    digest          TEXT NOT NULL,
    approvals       INTEGER NOT NULL,
    created         TEXT,
    planned         TEXT,
    expires         TEXT,
    approved        TEXT,
    started         TEXT,
    ended           TEXT,
    stop            TEXT NOT NULL CHECK (json_valid(stop)),
    paused_from     TEXT NOT NULL CHECK (paused_from IN (
        '', 'planning', 'awaiting_approval', 'approved', 'running', 'paused', 'done', 'rejected', 'expired', 'cancelled',
        'empty')),
    resumed         TEXT,
    ending          TEXT CHECK (ending IS NULL OR json_valid(ending))
) STRICT;

CREATE INDEX batch_state ON batch (state);

-- What was approved is what was planned: neither digest nor requester nor author nor reason changes once sealed.
-- +goose StatementBegin
CREATE TRIGGER batch_sealed BEFORE UPDATE OF
    org_id, requester_id, author_id, reason, digest ON batch
WHEN OLD.digest <> '' AND (
    OLD.org_id <> NEW.org_id OR OLD.requester_id <> NEW.requester_id OR OLD.author_id <> NEW.author_id
    OR OLD.reason <> NEW.reason OR OLD.digest <> NEW.digest)
BEGIN
    SELECT RAISE (ABORT, 'a sealed batch does not change what was approved');
END;
-- +goose StatementEnd

CREATE TABLE request_file (
    batch  INTEGER PRIMARY KEY REFERENCES batch (number),
    sha256 TEXT NOT NULL,
    bytes  BLOB -- NULL once deleted after store.keep_files
) STRICT;

CREATE TABLE decision (
    batch   INTEGER NOT NULL REFERENCES batch (number),
    seq     INTEGER NOT NULL, -- in the order they were made
    person  TEXT NOT NULL,
    name    TEXT NOT NULL,
    email   TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
    digest  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      TEXT,
    PRIMARY KEY (batch, seq),
    UNIQUE (batch, digest, person, verdict) -- who approved may still reject
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER decision_stays BEFORE UPDATE ON decision
BEGIN
    SELECT RAISE (ABORT, 'a decision does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decision_kept BEFORE DELETE ON decision
BEGIN
    SELECT RAISE (ABORT, 'a decision is kept');
END;
-- +goose StatementEnd

CREATE TABLE change (
    batch      INTEGER NOT NULL REFERENCES batch (number),
    row        INTEGER NOT NULL,
    -- the plan
    action     TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    old_email  TEXT NOT NULL,
    new_email  TEXT NOT NULL,
    message    TEXT NOT NULL,
    group_name TEXT NOT NULL,
    steps      TEXT NOT NULL CHECK (json_valid(steps)),
    effect     TEXT NOT NULL,
    cells      TEXT CHECK (cells IS NULL OR json_valid(cells)), -- NULL for commands
    -- what became of it
    step       INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN (
        'ready', 'running', 'done', 'failed', 'unknown', 'blocked', 'unchanged', 'skipped', 'bad')),
    code       TEXT NOT NULL,
    facts      TEXT NOT NULL CHECK (json_valid(facts)),
    attempts   INTEGER NOT NULL,
    called     TEXT,
    finished   TEXT,
    PRIMARY KEY (batch, row)
) STRICT;

-- Counting a batch and finding the next ready row touch this index alone.
CREATE INDEX change_group ON change (batch, state, action, code, effect);
-- An account belongs to a batch also through a row that left the hold where it was, so that a leaver is locked out at once.
CREATE INDEX change_account ON change (account_id) WHERE state IN ('ready', 'running', 'unknown');

-- +goose StatementBegin
CREATE TRIGGER change_sealed BEFORE UPDATE OF
    batch, row, action, account_id, name, old_email, new_email, message, group_name, steps, effect, cells ON change
BEGIN
    SELECT RAISE (ABORT, 'a plan does not change once it is sealed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER change_kept BEFORE DELETE ON change
BEGIN
    SELECT RAISE (ABORT, 'a row of a batch is kept');
END;
-- +goose StatementEnd

-- A key may belong to several rows of one batch (a chain frees an address and gives it out again), never to two batches.
CREATE TABLE hold (
    key   TEXT NOT NULL,
    batch INTEGER NOT NULL REFERENCES batch (number),
    row   INTEGER NOT NULL, -- 0 when no row names it
    PRIMARY KEY (key, row)
) STRICT, WITHOUT ROWID;

CREATE INDEX hold_batch ON hold (batch);

-- +goose StatementBegin
CREATE TRIGGER hold_one_batch BEFORE INSERT ON hold
WHEN EXISTS (SELECT 1 FROM hold WHERE key = NEW.key AND batch <> NEW.batch)
BEGIN
    SELECT RAISE (ABORT, 'another batch holds this');
END;
-- +goose StatementEnd

CREATE TABLE event (
    seq   INTEGER PRIMARY KEY,
    at    TEXT NOT NULL,
    batch INTEGER NOT NULL, -- 0: of no batch
    row   INTEGER NOT NULL, -- 0: of no row
    actor TEXT NOT NULL,
    kind  TEXT NOT NULL,
    data  TEXT NOT NULL CHECK (json_valid(data)),
    prev  TEXT NOT NULL,
    hash  TEXT NOT NULL UNIQUE
) STRICT;

CREATE INDEX event_batch ON event (batch, seq);

-- +goose StatementBegin
CREATE TRIGGER event_stays BEFORE UPDATE ON event
BEGIN
    SELECT RAISE (ABORT, 'the log of events is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER event_kept BEFORE DELETE ON event
BEGIN
    SELECT RAISE (ABORT, 'the log of events is append-only');
END;
-- +goose StatementEnd

CREATE TABLE post (
    key     TEXT PRIMARY KEY,
    batch   INTEGER REFERENCES batch (number),
    channel TEXT NOT NULL,
    ts      TEXT NOT NULL,
    file    TEXT NOT NULL,
    version INTEGER NOT NULL,
    sending TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX post_batch ON post (batch, version, sending); -- all that Revisions looks at

-- Deliveries that were dealt with, so that a repeated one is not.
CREATE TABLE seen (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX seen_at ON seen (at);

-- One row a night of a report. Its accounts are those rows of snapshot_account whose interval holds its id.
CREATE TABLE snapshot (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    taken_at TEXT NOT NULL,
    report   TEXT NOT NULL,
    accounts INTEGER NOT NULL,
    active   INTEGER NOT NULL,
    inactive INTEGER NOT NULL,
    billable INTEGER NOT NULL
) STRICT;

-- first_snapshot and last_snapshot bound the snapshots in which the account looked so; last_snapshot NULL: still does.
CREATE TABLE snapshot_account (
    account_id     TEXT NOT NULL,
    first_snapshot INTEGER NOT NULL,
    last_snapshot  INTEGER,
    name           TEXT NOT NULL,
    email          TEXT NOT NULL,
    type           TEXT NOT NULL,
    status         TEXT NOT NULL,
    billable       INTEGER NOT NULL CHECK (billable IN (0, 1)),
    products       TEXT NOT NULL CHECK (json_valid(products)), -- [[key, name, url], …]
    PRIMARY KEY (account_id, first_snapshot)
) STRICT, WITHOUT ROWID;

CREATE INDEX snapshot_account_now ON snapshot_account (account_id) WHERE last_snapshot IS NULL;
CREATE INDEX snapshot_account_past ON snapshot_account (last_snapshot) WHERE last_snapshot IS NOT NULL;

-- What changes every day an account is used, apart from what seldom does, and by a short key, so that a night adds a few
-- dozen bytes for each account that was used since.
CREATE TABLE member (
    id         INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE snapshot_activity (
    member         INTEGER NOT NULL REFERENCES member (id),
    first_snapshot INTEGER NOT NULL,
    last_snapshot  INTEGER,
    last_active    TEXT NOT NULL,
    products       TEXT NOT NULL CHECK (json_valid(products)), -- [last_active, …], in the order of the account's products
    PRIMARY KEY (member, first_snapshot)
) STRICT, WITHOUT ROWID;

CREATE INDEX snapshot_activity_now ON snapshot_activity (member) WHERE last_snapshot IS NULL;
CREATE INDEX snapshot_activity_past ON snapshot_activity (last_snapshot) WHERE last_snapshot IS NOT NULL;

-- For people with sqlite3: SELECT * FROM snapshot_row WHERE snapshot = 17.
CREATE VIEW snapshot_row AS
SELECT s.id AS snapshot, s.taken_at, s.report, a.account_id, a.name, a.email, a.type, a.status, a.billable,
    v.last_active, a.products, v.products AS products_last_active
FROM snapshot s
JOIN snapshot_account a ON s.id BETWEEN a.first_snapshot AND ifnull(a.last_snapshot, s.id)
JOIN member m ON m.account_id = a.account_id
JOIN snapshot_activity v ON v.member = m.id AND v.first_snapshot = (
    -- its intervals follow each other, so that this one, begun last, is the only one that can hold s.id
    SELECT max(w.first_snapshot) FROM snapshot_activity w WHERE w.member = m.id AND w.first_snapshot <= s.id)
    AND s.id <= ifnull(v.last_snapshot, s.id);

-- What is being read for the next snapshot; of no meaning unless the reading came to its end.
CREATE TABLE snapshot_staging (
    account_id  TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    email       TEXT NOT NULL,
    type        TEXT NOT NULL,
    status      TEXT NOT NULL,
    billable    INTEGER NOT NULL,
    products    TEXT NOT NULL,
    last_active TEXT NOT NULL,
    activity    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The moment from which runs of a report are owed under its present schedule.
CREATE TABLE report_schedule (
    report TEXT PRIMARY KEY,
    line   TEXT NOT NULL,
    zone   TEXT NOT NULL,
    since  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE report_run (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    report       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    due          TEXT NOT NULL,
    asked_by     TEXT NOT NULL, -- a Slack user id; '' when the schedule did
    date         TEXT NOT NULL, -- of due, in the schedule's zone
    file_name    TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('running', 'waiting', 'done', 'failed')),
    started      TEXT,
    finished     TEXT,
    first_failed TEXT,
    next_try     TEXT,
    attempts     INTEGER NOT NULL,
    snapshot     INTEGER REFERENCES snapshot (id) ON DELETE SET NULL,
    reason       TEXT NOT NULL,
    accounts     INTEGER NOT NULL,
    active       INTEGER NOT NULL,
    inactive     INTEGER NOT NULL,
    billable     INTEGER NOT NULL
) STRICT;

CREATE INDEX report_run_date ON report_run (report, date);
CREATE INDEX report_run_snapshot ON report_run (snapshot);

-- Two runs of one report never overlap, and a moment of its schedule has one run.
CREATE UNIQUE INDEX report_run_live ON report_run (report) WHERE state IN ('running', 'waiting');
CREATE UNIQUE INDEX report_run_due ON report_run (report, due) WHERE asked_by = '';
