CREATE TABLE IF NOT EXISTS buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    unit TEXT NOT NULL,
    model_scope TEXT NOT NULL,
    granted INTEGER NOT NULL,
    used INTEGER NOT NULL,
    held INTEGER NOT NULL,
    overdraft INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    expires_at INTEGER,
    status TEXT NOT NULL,
    subscription_id INTEGER,
    item_no INTEGER NOT NULL,
    blocks_wallet INTEGER NOT NULL,
    source_type TEXT NOT NULL,
    source_id TEXT,
    wallet_of INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (wallet_of)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_buckets_user_id_status ON buckets (user_id, status);
CREATE INDEX IF NOT EXISTS ix_buckets_status_expires_at ON buckets (status, expires_at);
CREATE INDEX IF NOT EXISTS ix_buckets_subscription_id ON buckets (subscription_id);
CREATE INDEX IF NOT EXISTS ix_buckets_updated_at ON buckets (updated_at);
