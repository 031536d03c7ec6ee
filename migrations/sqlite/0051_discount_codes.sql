CREATE TABLE IF NOT EXISTS discount_codes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL,
    terms TEXT NOT NULL,
    max_uses INTEGER NOT NULL,
    starts_at INTEGER,
    expires_at INTEGER,
    status TEXT NOT NULL,
    reserved INTEGER NOT NULL,
    redeemed INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (code)
) STRICT;
