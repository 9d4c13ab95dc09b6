-- A tenant appears with its first key or collection. A shredded tenant keeps its row for ever, so
-- that it cannot come back by being created again.
CREATE TABLE tenants (
    id          TEXT    NOT NULL PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    shredded_at INTEGER
) STRICT;

-- Names of key-encryption keys. The primary key spans retired names too: a name is never used twice.
CREATE TABLE keks (
    name       TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;
CREATE UNIQUE INDEX keks_one_active_per_tenant ON keks (tenant) WHERE retired_at IS NULL;

-- Wrapped data keys. A scope without a collection holds ''.
CREATE TABLE deks (
    key_id     BLOB    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    purpose    TEXT    NOT NULL,
    collection TEXT    NOT NULL,
    epoch      INTEGER NOT NULL CHECK (epoch BETWEEN 1 AND 4294967295),
    kek        TEXT    NOT NULL REFERENCES keks (name),
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant, purpose, collection, epoch)
) STRICT;

-- Logical collections and their random physical names.
CREATE TABLE collections (
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    upstream   TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    physical   TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
    dimensions INTEGER NOT NULL CHECK (dimensions BETWEEN 1 AND 4294967295),
    distance   TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    beta       REAL,
    filterable TEXT    NOT NULL,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, upstream, name),
    UNIQUE (upstream, physical)
) STRICT;

-- Virtual API keys: the hash only, never the key.
CREATE TABLE virtual_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    tenant     TEXT    NOT NULL REFERENCES tenants (id),
    principal  TEXT    NOT NULL,
    groups     TEXT    NOT NULL,
    label      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX virtual_keys_by_tenant ON virtual_keys (tenant, created_at);

-- One row that counts revocations, so that every process on this file notices them.
CREATE TABLE revocations (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO revocations (one, generation) VALUES (1, 0);
