CREATE TABLE IF NOT EXISTS usage_charges (
    request_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    bucket_id INTEGER,
    unit TEXT NOT NULL,
    amount INTEGER NOT NULL,
    txn_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    PRIMARY KEY (request_id, seq)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_usage_charges_txn_id ON usage_charges (txn_id);
CREATE INDEX IF NOT EXISTS ix_usage_charges_started_at ON usage_charges (started_at);
