CREATE TABLE IF NOT EXISTS api_key_digests (
    hash_scheme TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    key_id INTEGER NOT NULL,
    valid_until INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (hash_scheme, key_hash)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_api_key_digests_key_id ON api_key_digests (key_id);
