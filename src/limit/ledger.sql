-- What one ledger object keeps. Every row is JSON text, so that no number passes through a float on its way.
-- A message is applied by one INSERT into the view `journal`: all of it, or nothing.

CREATE TABLE IF NOT EXISTS scopes (
  scope TEXT PRIMARY KEY,   -- a key's id; '' is the owner
  row   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS open_calls (
  id  TEXT PRIMARY KEY,     -- UUID v7, so rows are in order of time
  row TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ended_calls (
  id    TEXT PRIMARY KEY,
  ended INTEGER NOT NULL,
  row   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Few: those whose bounds stand.
CREATE INDEX IF NOT EXISTS provisional_calls ON ended_calls (id) WHERE row ->> 'provisional';

-- Calls that began before it and are not in ended_calls were perhaps in it once.
CREATE TABLE IF NOT EXISTS horizon (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  row TEXT NOT NULL
) STRICT;

CREATE VIEW IF NOT EXISTS journal (changes) AS SELECT NULL WHERE false;

DROP TRIGGER IF EXISTS apply; -- an object of an older version has another
CREATE TRIGGER apply INSTEAD OF INSERT ON journal BEGIN
  INSERT INTO open_calls (id, row)
    SELECT value ->> 'id', value FROM json_each(NEW.changes, '$.opened') WHERE true
    ON CONFLICT (id) DO UPDATE SET row = excluded.row; -- a call that is sent again may hold more
  INSERT INTO ended_calls (id, ended, row)
    SELECT value ->> 'id', value ->> 'ended', value FROM json_each(NEW.changes, '$.ended') WHERE true
    ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, row = excluded.row;
  DELETE FROM open_calls WHERE id IN (SELECT value ->> 'id' FROM json_each(NEW.changes, '$.ended'));
  INSERT INTO scopes (scope, row)
    SELECT value ->> 'scope', value FROM json_each(NEW.changes, '$.scopes') WHERE true
    ON CONFLICT (scope) DO UPDATE SET row = excluded.row;
  INSERT INTO horizon (one, row)
    SELECT 1, json_extract(NEW.changes, '$.horizon') WHERE json_type(NEW.changes, '$.horizon') = 'object'
    ON CONFLICT (one) DO UPDATE SET row = excluded.row;
  DELETE FROM ended_calls
    WHERE id < json_extract(NEW.changes, '$.horizon.id') AND ended < json_extract(NEW.changes, '$.horizon.at');
END;
