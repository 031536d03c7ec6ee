CREATE TABLE IF NOT EXISTS bucket_holds (
    hold_id TEXT NOT NULL,
    bucket_id INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    resolved_at INTEGER,
    PRIMARY KEY (hold_id, bucket_id)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_bucket_holds_bucket_id ON bucket_holds (bucket_id);
