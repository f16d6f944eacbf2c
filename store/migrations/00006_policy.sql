-- What an approval has to meet: by which rules, whether it is an emergency, what rules ask about the plan, and who approved
-- and no longer counts.

-- +goose Up
ALTER TABLE batch ADD COLUMN why TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(why));
ALTER TABLE batch ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0 CHECK (emergency IN (0, 1));
ALTER TABLE batch ADD COLUMN traits TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(traits));
ALTER TABLE batch ADD COLUMN dropped TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(dropped));

-- +goose StatementBegin
CREATE TRIGGER batch_policy_sealed BEFORE UPDATE OF traits, emergency, approvals ON batch
WHEN OLD.digest <> '' AND (OLD.traits <> NEW.traits OR OLD.emergency <> NEW.emergency OR NEW.approvals < OLD.approvals)
BEGIN
    SELECT RAISE (ABORT, 'a sealed batch never needs fewer approvals');
END;
-- +goose StatementEnd
