CREATE TABLE IF NOT EXISTS user_identities (
    digest TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
