-- What parts of the program want to know again after a restart, by name: how busy the other sides last were. Losing a row
-- costs a little speed and nothing else. What a value means is its owner's business; secrets are not in it.

-- +goose Up
CREATE TABLE memory (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    at    TEXT NOT NULL -- when it was remembered
) STRICT, WITHOUT ROWID;
