-- What retries, undone batches and exchanges of addresses need to be remembered by.

-- +goose Up
-- Why a batch was made of another one, and which rows of the request it is about; '' and NULL when neither.
ALTER TABLE batch ADD COLUMN link TEXT NOT NULL DEFAULT '' CHECK (link IN ('', 'recheck', 'retry', 'rest', 'undo', 'again'));
ALTER TABLE batch ADD COLUMN lines TEXT CHECK (lines IS NULL OR json_valid(lines));
-- Which run it is in, from 1, and the retry that opened it, NULL in the first.
ALTER TABLE batch ADD COLUMN run INTEGER NOT NULL DEFAULT 1;
ALTER TABLE batch ADD COLUMN retry TEXT CHECK (retry IS NULL OR json_valid(retry));
-- The rows whose accounts may show a parking address just now.
ALTER TABLE batch ADD COLUMN parked TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(parked));

UPDATE batch SET link = 'recheck' WHERE follows IS NOT NULL;

CREATE INDEX batch_follows ON batch (follows) WHERE follows IS NOT NULL;

-- Calls that may have gone out for the step that is next, and whether that step leads back.
ALTER TABLE change ADD COLUMN tried INTEGER NOT NULL DEFAULT 0;
ALTER TABLE change ADD COLUMN back INTEGER NOT NULL DEFAULT 0 CHECK (back IN (0, 1));

UPDATE change SET tried = attempts;
