-- Moments are text in UTC with nine decimals, so that they sort and can be read; NULL is "has not happened". Nested
-- values (steps, sources, facts) are JSON. The names of the states stand in Go as well; a test compares the two.

-- +goose Up
PRAGMA application_id = 1668507443; -- "csg3"

CREATE TABLE batch (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id          TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN (
        'planning', 'awaiting_approval', 'approved', 'running', 'paused', 'done', 'rejected', 'expired', 'cancelled',
        'empty')),
    revision        INTEGER NOT NULL,
    -- the request
    token           TEXT NOT NULL, -- a random id
    requester_id    TEXT NOT NULL,
    requester_name  TEXT NOT NULL,
    requester_email TEXT NOT NULL,
    author_id       TEXT NOT NULL,
    author_name     TEXT NOT NULL,
    author_email    TEXT NOT NULL,
    agent           TEXT NOT NULL, -- '' when a person asked by themselves
    reason          TEXT NOT NULL,
    own_reason      INTEGER NOT NULL CHECK (own_reason IN (0, 1)), -- the requester wrote it as one
    verb            TEXT NOT NULL,
    times           TEXT NOT NULL CHECK (json_valid(times)), -- when it runs, and for how long it lasts; '{}': at once, for good
    source          TEXT NOT NULL CHECK (json_valid(source)),
    follows         INTEGER REFERENCES batch (number),
    link            TEXT NOT NULL CHECK (link IN ('', 'recheck', 'retry', 'rest', 'undo', 'again', 'return')),
    rows            INTEGER NOT NULL,
    header          TEXT CHECK (json_valid(header)),
    ignored         TEXT CHECK (json_valid(ignored)),
    created         TEXT,
    -- the plan
    checked         INTEGER NOT NULL,
    digest          TEXT NOT NULL,
    traits          TEXT NOT NULL CHECK (json_valid(traits)),
    planned         TEXT,
    -- the approval
    approvals       INTEGER NOT NULL,
    why             TEXT CHECK (json_valid(why)),
    emergency       INTEGER NOT NULL CHECK (emergency IN (0, 1)),
    dropped         TEXT CHECK (json_valid(dropped)),
    expires         TEXT,
    approved        TEXT,
    -- the run
    started         TEXT,
    ended           TEXT,
    stop            TEXT NOT NULL CHECK (json_valid(stop)),
    paused_from     TEXT NOT NULL CHECK (paused_from IN (
        '', 'planning', 'awaiting_approval', 'approved', 'running', 'paused', 'done', 'rejected', 'expired', 'cancelled',
        'empty')),
    resumed         TEXT,
    resumed_by      TEXT CHECK (json_valid(resumed_by)),
    restarted       TEXT CHECK (json_valid(restarted)), -- the last restart of the program during a run
    run             INTEGER NOT NULL,
    released        TEXT CHECK (json_valid(released)), -- who let it start before its time
    over            INTEGER NOT NULL CHECK (over IN (0, 1)), -- what was for a while has come to its end
    retry           TEXT CHECK (json_valid(retry)),
    parked          TEXT CHECK (json_valid(parked)),
    ending          TEXT CHECK (json_valid(ending)),
    -- what is in Slack may show less than this (Revisions); 1 as long as the batch is open
    behind          INTEGER NOT NULL DEFAULT 1 CHECK (behind IN (0, 1))
) STRICT;

CREATE INDEX batch_follows ON batch (follows) WHERE follows IS NOT NULL;

-- What is looked up of the last day and of what is open does not grow with what ended before. NULL is open.
CREATE INDEX batch_ended ON batch (ended);
CREATE INDEX batch_created ON batch (created);
CREATE INDEX batch_behind ON batch (number) WHERE behind = 1;

-- What was approved is what was planned: neither digest nor requester nor author nor reason changes once sealed.
-- +goose StatementBegin
CREATE TRIGGER batch_sealed BEFORE UPDATE OF
    org_id, requester_id, author_id, agent, reason, times, digest ON batch
WHEN OLD.digest <> '' AND (
    OLD.org_id <> NEW.org_id OR OLD.requester_id <> NEW.requester_id OR OLD.author_id <> NEW.author_id
    OR OLD.agent <> NEW.agent OR OLD.reason <> NEW.reason OR OLD.times <> NEW.times OR OLD.digest <> NEW.digest)
BEGIN
    SELECT RAISE (ABORT, 'a sealed batch does not change what was approved');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER batch_policy_sealed BEFORE UPDATE OF traits, emergency, approvals ON batch
WHEN OLD.digest <> '' AND (OLD.traits <> NEW.traits OR OLD.emergency <> NEW.emergency OR NEW.approvals < OLD.approvals)
BEGIN
    SELECT RAISE (ABORT, 'a sealed batch never needs fewer approvals');
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
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'reject', 'keep')),
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

-- The rows of a request, as they were asked for. The rows of a batch lie together: id is batch * 2^32 + row, here and in
-- change, so that neither needs an index for it.
CREATE TABLE request_row (
    id      INTEGER PRIMARY KEY,
    batch   INTEGER AS (id >> 32) VIRTUAL,
    row     INTEGER AS (id & 4294967295) VIRTUAL,
    action  TEXT NOT NULL,
    cells   TEXT CHECK (json_valid(cells)), -- as they were sent; "" in the places of the ignored ones
    ignored TEXT CHECK (json_valid(ignored)), -- cells that are no values; NULL once deleted after store.keep_files
    ignored_sha256 TEXT NOT NULL,           -- of these, as a JSON array
    meaning TEXT NOT NULL,                  -- the columns of the values that the cells are, in their order: "account_id,,new_email"
    given   TEXT CHECK (json_valid(given)), -- values that are no cells as they were sent, by column
    problem TEXT NOT NULL
) STRICT;

-- What store.keep_files has still to delete.
CREATE INDEX request_row_ignored ON request_row (id) WHERE ignored IS NOT NULL;

-- +goose StatementBegin
CREATE TRIGGER request_row_new BEFORE INSERT ON request_row
WHEN NOT EXISTS (SELECT 1 FROM batch WHERE number = NEW.id >> 32) OR EXISTS (SELECT 1 FROM request_row WHERE id = NEW.id)
BEGIN
    SELECT RAISE (ABORT, 'a row belongs to a batch, and stays');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER request_row_stays BEFORE UPDATE ON request_row
WHEN NEW.ignored IS NOT NULL OR NEW.id <> OLD.id OR NEW.action <> OLD.action OR NEW.cells IS NOT OLD.cells
	OR NEW.ignored_sha256 <> OLD.ignored_sha256 OR NEW.meaning <> OLD.meaning OR NEW.given IS NOT OLD.given OR NEW.problem <> OLD.problem
BEGIN
    SELECT RAISE (ABORT, 'what was asked for does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER request_row_kept BEFORE DELETE ON request_row
BEGIN
    SELECT RAISE (ABORT, 'a row of a batch is kept');
END;
-- +goose StatementEnd

-- What was planned for a row, and what became of it. A row that has none here was asked for and waits for its plan.
CREATE TABLE change (
    id         INTEGER PRIMARY KEY,
    batch      INTEGER AS (id >> 32) VIRTUAL,
    row        INTEGER AS (id & 4294967295) VIRTUAL,
    -- the plan
    action     TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    expected   TEXT CHECK (json_valid(expected)),
    wanted     TEXT CHECK (json_valid(wanted)),
    steps      TEXT CHECK (json_valid(steps)), -- what they have in common with the row is left out
    effect     TEXT NOT NULL,
    -- what became of it
    outcomes   TEXT CHECK (json_valid(outcomes)), -- of each step
    state      TEXT NOT NULL CHECK (state IN (
        'ready', 'running', 'done', 'failed', 'unknown', 'blocked', 'unchanged', 'skipped', 'bad')),
    code       TEXT NOT NULL,
    facts      TEXT CHECK (json_valid(facts)),
    attempts   INTEGER NOT NULL,
    called     TEXT,
    finished   TEXT,
    back       INTEGER NOT NULL CHECK (back IN (0, 1))
) STRICT;

-- Who is being deleted, and since when.
CREATE INDEX change_deleted ON change (account_id) WHERE action = 'delete' AND state = 'done';
-- What was done to one account, for its history.
CREATE INDEX change_past ON change (account_id) WHERE state IN ('done', 'failed');
-- Who had an address, and who was to get it. They are written with the plan and not again.
CREATE INDEX change_had ON change (lower(expected ->> '$.email')) WHERE account_id <> '';
CREATE INDEX change_got ON change (lower(wanted ->> '$.email')) WHERE lower(wanted ->> '$.email') IS NOT NULL;
-- Who was to leave a domain: what stands from the last @ on.
CREATE INDEX change_left ON change (
    lower(substr(expected ->> '$.email', length(rtrim(expected ->> '$.email', replace(expected ->> '$.email', '@', '')))))
) WHERE lower(wanted ->> '$.email') IS NOT NULL;

-- How many changes of a batch share these, so that counting them costs the same however many there are.
CREATE TABLE change_count (
    batch  INTEGER NOT NULL REFERENCES batch (number),
    state  TEXT NOT NULL,
    action TEXT NOT NULL,
    code   TEXT NOT NULL,
    effect TEXT NOT NULL,
    n      INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (batch, state, action, code, effect)
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER change_new BEFORE INSERT ON change
WHEN NOT EXISTS (SELECT 1 FROM request_row WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM change WHERE id = NEW.id)
BEGIN
    SELECT RAISE (ABORT, 'a plan is of a row that was asked for, and is made once');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER change_sealed BEFORE UPDATE OF id, action, account_id, name, expected, wanted, steps, effect ON change
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
    -- 0 where the row left the hold where it was, so that a leaver is locked out at once: it counts as long as the row is open
    own   INTEGER NOT NULL CHECK (own IN (0, 1)),
    PRIMARY KEY (key, batch, row)
) STRICT, WITHOUT ROWID;

CREATE INDEX hold_batch ON hold (batch);

-- +goose StatementBegin
CREATE TRIGGER hold_one_batch BEFORE INSERT ON hold
WHEN NEW.own = 1 AND EXISTS (SELECT 1 FROM hold WHERE key = NEW.key AND batch <> NEW.batch AND own = 1)
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
    hash  TEXT NOT NULL
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

-- Where the log of events ends, kept apart from it.
CREATE TABLE event_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

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

-- One row a night. It is written last, behind all that it has: what carries a number of a snapshot that is not here is of
-- one that is being stored or was cut off, or of one that was dropped.
CREATE TABLE snapshot (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    taken_at   TEXT NOT NULL, -- when its reading began
    read_at    TEXT NOT NULL, -- when that ended: what was done meanwhile can be in it
    report     TEXT NOT NULL,
    population TEXT NOT NULL, -- '': the managed accounts; else 'site:…'
    figures    TEXT NOT NULL CHECK (json_valid(figures)) -- name → number
) STRICT;

CREATE INDEX snapshot_population ON snapshot (population, id);

-- Snapshots that batches point to are never dropped.
CREATE TABLE snapshot_pin (
    snapshot INTEGER NOT NULL REFERENCES snapshot (id),
    batch    INTEGER NOT NULL REFERENCES batch (number),
    PRIMARY KEY (snapshot, batch)
) STRICT, WITHOUT ROWID;

-- Where the rows of a snapshot of a population are being written; what is left of it goes before the next one.
CREATE TABLE snapshot_begun (
    population TEXT PRIMARY KEY,
    id         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Snapshots that were dropped and have rows left that no snapshot needs any more.
CREATE TABLE snapshot_dropped (
    id         INTEGER PRIMARY KEY,
    population TEXT NOT NULL
) STRICT;

-- How accounts look, each since a snapshot, and how they looked before. An account is in a snapshot as the one row of both
-- tables whose snapshots it is among: a row of snapshot_account has all from first_snapshot on. What is in neither is not
-- there. What a snapshot is to have is written here in small parts before it: nobody sees it until then, and what stays
-- without one is taken back before the next.
CREATE TABLE snapshot_account (
    population     TEXT NOT NULL,
    account_id     TEXT NOT NULL,
    first_snapshot INTEGER NOT NULL,
    place          INTEGER NOT NULL, -- among its population, for snapshot_activity; given again once the account is gone
    name           TEXT NOT NULL,
    email          TEXT NOT NULL,
    type           TEXT NOT NULL,
    status         TEXT NOT NULL,
    billable       INTEGER NOT NULL CHECK (billable IN (0, 1)),
    products       TEXT NOT NULL CHECK (json_valid(products)), -- [id of snapshot_product, …]
    PRIMARY KEY (population, account_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_account_past (
    population     TEXT NOT NULL,
    account_id     TEXT NOT NULL,
    first_snapshot INTEGER NOT NULL,
    last_snapshot  INTEGER NOT NULL,
    place          INTEGER NOT NULL,
    name           TEXT NOT NULL,
    email          TEXT NOT NULL,
    type           TEXT NOT NULL,
    status         TEXT NOT NULL,
    billable       INTEGER NOT NULL CHECK (billable IN (0, 1)),
    products       TEXT NOT NULL CHECK (json_valid(products)),
    PRIMARY KEY (population, account_id, first_snapshot)
) STRICT, WITHOUT ROWID;

-- Nothing comes before the first snapshot of all, which is usually the one with the most rows.
CREATE INDEX snapshot_account_first ON snapshot_account (population, first_snapshot) WHERE first_snapshot > 1;
CREATE INDEX snapshot_account_past_first ON snapshot_account_past (population, first_snapshot);
CREATE INDEX snapshot_account_past_last ON snapshot_account_past (population, last_snapshot);
-- Who had an address on a domain: what stands from the last @ on.
CREATE INDEX snapshot_account_past_domain ON snapshot_account_past (
    lower(substr(email, length(rtrim(email, replace(email, '@', '')))))
) WHERE population = '';

CREATE TABLE snapshot_product (
    id   INTEGER PRIMARY KEY,
    key  TEXT NOT NULL,
    name TEXT NOT NULL,
    url  TEXT NOT NULL,
    UNIQUE (key, name, url)
) STRICT;

-- Who has or had an address, by its key. An account that had it in no snapshot that is kept may be here, too.
CREATE TABLE snapshot_address (
    key        TEXT NOT NULL,
    account_id TEXT NOT NULL,
    PRIMARY KEY (key, account_id)
) STRICT, WITHOUT ROWID;

-- When accounts were active, and who owns them: what changes often, in strips. strip is place / 512 * 2^20 + slot; slot 0 is
-- the owner, 1 the account's last day, 2 that in its first product, and so on. A strip holds from its first_snapshot on,
-- until the next one of its number. Each account has one letter of days, at place % 512: a space or none is nothing, '!' is
-- the day base (since 1970), '"' the day before it, and so on; from U+E000 on it is an item of texts.
CREATE TABLE snapshot_activity (
    population     TEXT NOT NULL,
    strip          INTEGER NOT NULL,
    first_snapshot INTEGER NOT NULL,
    base           INTEGER NOT NULL,
    days           TEXT NOT NULL,
    texts          TEXT NOT NULL CHECK (json_valid(texts)),
    PRIMARY KEY (population, strip, first_snapshot)
) STRICT, WITHOUT ROWID;

-- For people with sqlite3: SELECT * FROM snapshot_row WHERE snapshot = 17.
CREATE VIEW snapshot_row AS
SELECT a.snapshot, a.taken_at, a.report, a.population, a.account_id, a.name, a.email, a.type, a.status, a.billable,
    ifnull((
        SELECT CASE
            WHEN unicode(substr(d.days, a.place % 512 + 1, 1)) >= 57344
                THEN d.texts ->> (unicode(substr(d.days, a.place % 512 + 1, 1)) - 57344)
            WHEN unicode(substr(d.days, a.place % 512 + 1, 1)) > 32
                THEN date((d.base + 33 - unicode(substr(d.days, a.place % 512 + 1, 1))) * 86400, 'unixepoch')
            END
        FROM snapshot_activity d
        WHERE d.population = a.population AND d.strip = a.place / 512 * 1048576 + 1 AND d.first_snapshot <= a.snapshot
        ORDER BY d.first_snapshot DESC LIMIT 1), '') AS last_active,
    (SELECT json_group_array(json_array(p.key, p.name, p.url))
        FROM json_each(a.products) i CROSS JOIN snapshot_product p ON p.id = i.value) AS products,
    (SELECT json_group_array(ifnull((
            SELECT CASE
                WHEN unicode(substr(d.days, a.place % 512 + 1, 1)) >= 57344
                    THEN d.texts ->> (unicode(substr(d.days, a.place % 512 + 1, 1)) - 57344)
                WHEN unicode(substr(d.days, a.place % 512 + 1, 1)) > 32
                    THEN date((d.base + 33 - unicode(substr(d.days, a.place % 512 + 1, 1))) * 86400, 'unixepoch')
                END
            FROM snapshot_activity d
            WHERE d.population = a.population AND d.strip = a.place / 512 * 1048576 + 2 + i.key AND d.first_snapshot <= a.snapshot
            ORDER BY d.first_snapshot DESC LIMIT 1), ''))
        FROM json_each(a.products) i) AS products_last_active,
    ifnull((
        SELECT CASE
            WHEN unicode(substr(d.days, a.place % 512 + 1, 1)) >= 57344
                THEN d.texts ->> (unicode(substr(d.days, a.place % 512 + 1, 1)) - 57344)
            WHEN unicode(substr(d.days, a.place % 512 + 1, 1)) > 32
                THEN date((d.base + 33 - unicode(substr(d.days, a.place % 512 + 1, 1))) * 86400, 'unixepoch')
            END
        FROM snapshot_activity d
        WHERE d.population = a.population AND d.strip = a.place / 512 * 1048576 + 0 AND d.first_snapshot <= a.snapshot
        ORDER BY d.first_snapshot DESC LIMIT 1), '') AS owner
FROM (
    SELECT s.id AS snapshot, s.taken_at, s.report, n.population, n.account_id, n.place, n.name, n.email, n.type, n.status,
        n.billable, n.products
    FROM snapshot s JOIN snapshot_account n ON n.population = s.population AND n.first_snapshot <= s.id
    UNION ALL
    SELECT s.id, s.taken_at, s.report, p.population, p.account_id, p.place, p.name, p.email, p.type, p.status,
        p.billable, p.products
    FROM snapshot s JOIN snapshot_account_past p ON p.population = s.population
        AND p.first_snapshot <= s.id AND p.last_snapshot >= s.id
) a;

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
    figures      TEXT CHECK (json_valid(figures)), -- name → number; which there are is the kind's business
    log_seq      INTEGER NOT NULL DEFAULT 0, -- the head of the log when it ended
    log_hash     TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX report_run_date ON report_run (report, date);
CREATE INDEX report_run_snapshot ON report_run (snapshot);

-- Two runs of one report never overlap, and a moment of its schedule has one run.
CREATE UNIQUE INDEX report_run_live ON report_run (report) WHERE state IN ('running', 'waiting');
CREATE UNIQUE INDEX report_run_due ON report_run (report, due) WHERE asked_by = '';

-- Lists that were compared with the directory.
CREATE TABLE comparison (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery  TEXT NOT NULL UNIQUE,
    person    TEXT NOT NULL, -- who sent it
    author    TEXT NOT NULL, -- who uploaded the file
    at        TEXT NOT NULL,
    file_name TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    bytes     BLOB -- NULL once deleted after store.keep_files
) STRICT;

-- How far the organisation's own log has been read.
CREATE TABLE org_log (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    state     TEXT NOT NULL CHECK (state IN ('', 'there', 'missing', 'refused')),
    since     TEXT, -- when that was found out
    asked     TEXT, -- when the log was last asked for
    refused   TEXT, -- since when it has been refused each time
    cursor    TEXT NOT NULL,
    read_to   TEXT,
    gap_from  TEXT, -- of what the log does not tell any more
    gap_to    TEXT,
    gap_found TEXT
) STRICT;

-- What that log tells of accounts, as far as it is understood. One row for each account that an event names.
CREATE TABLE org_event (
    subject    TEXT NOT NULL, -- an account id; an address where the event names that alone
    at         TEXT NOT NULL,
    id         TEXT NOT NULL, -- of the event
    kind       TEXT NOT NULL,
    fits       TEXT NOT NULL, -- the fields that such an event can change, separated by ";"
    toward     TEXT NOT NULL, -- '', more or less: what it does to somebody's access
    actor      TEXT NOT NULL CHECK (json_valid(actor)),
    group_name TEXT NOT NULL, -- that it is about
    PRIMARY KEY (subject, at, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX org_event_at ON org_event (at);

-- The API keys that are ours, by the events that our own changes left. A token is the id of a key, never the key.
CREATE TABLE own_key (
    token   TEXT PRIMARY KEY,
    label   TEXT NOT NULL,
    learned TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Which nights a run of a report of changes compared, and what was said with it.
CREATE TABLE changes_told (
    report   TEXT NOT NULL,
    snapshot INTEGER NOT NULL, -- the later one
    since    INTEGER NOT NULL, -- the earlier one; 0: there was none
    notes    TEXT CHECK (json_valid(notes)),
    PRIMARY KEY (report, snapshot)
) STRICT, WITHOUT ROWID;

-- What it told as not by countersign, and in which run that was explained.
CREATE TABLE unexplained (
    report       TEXT NOT NULL,
    snapshot     INTEGER NOT NULL,
    account_id   TEXT NOT NULL,
    field        TEXT NOT NULL,
    name         TEXT NOT NULL,
    email        TEXT NOT NULL,
    was          TEXT NOT NULL,
    is_now       TEXT NOT NULL,
    gained       INTEGER NOT NULL CHECK (gained IN (0, 1)),
    lost         INTEGER NOT NULL CHECK (lost IN (0, 1)),
    since        TEXT NOT NULL, -- the nights
    until        TEXT NOT NULL,
    read_to      TEXT NOT NULL,
    explained    INTEGER, -- the snapshot of the run that explained it
    explained_by TEXT NOT NULL DEFAULT '',
    explained_at TEXT,
    PRIMARY KEY (report, snapshot, account_id, field)
) STRICT, WITHOUT ROWID;

CREATE INDEX unexplained_in ON unexplained (report, explained);

-- What parts of the program want to know again after a restart, by name: how busy the other sides last were. Losing a row
-- costs a little speed and nothing else. What a value means is its owner's business; secrets are not in it.
CREATE TABLE memory (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    at    TEXT NOT NULL -- when it was remembered
) STRICT, WITHOUT ROWID;
