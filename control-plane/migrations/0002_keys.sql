-- A KEK belongs to a tenant (collection '') or to one of its collections, and is in one key service.
ALTER TABLE keks ADD COLUMN collection TEXT NOT NULL DEFAULT '';
ALTER TABLE keks ADD COLUMN provider TEXT NOT NULL DEFAULT 'local';
DROP INDEX keks_one_active_per_tenant;
CREATE UNIQUE INDEX keks_one_active_per_owner ON keks (tenant, collection) WHERE retired_at IS NULL;
CREATE INDEX deks_by_kek ON deks (kek);

-- Owners whose keys must not be used any more, in the order in which they were fenced. A tenant that
-- was shredded before there were fences gets one.
CREATE TABLE fences (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    collection TEXT    NOT NULL,
    raised_at  INTEGER NOT NULL,
    UNIQUE (tenant, collection)
) STRICT;
INSERT INTO fences (tenant, collection, raised_at)
    SELECT id, '', shredded_at FROM tenants WHERE shredded_at IS NOT NULL ORDER BY shredded_at;

-- Processes that use keys, with the last fence of which they hold no key.
CREATE TABLE replicas (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    fence       INTEGER NOT NULL,
    reported_at INTEGER NOT NULL
) STRICT;

-- What operators did, until a sidecar has it in its ledger. `details` is a JSON object of texts.
CREATE TABLE operator_events (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event       TEXT    NOT NULL,
    tenant      TEXT,
    principal   TEXT    NOT NULL,
    details     TEXT    NOT NULL,
    made_at     INTEGER NOT NULL,
    claimed_at  INTEGER,
    recorded_at INTEGER
) STRICT;
CREATE INDEX operator_events_to_record ON operator_events (id) WHERE recorded_at IS NULL;
