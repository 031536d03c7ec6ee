CREATE TABLE IF NOT EXISTS invite_codes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL,
    created_by INTEGER NOT NULL,
    max_uses INTEGER NOT NULL,
    current_uses INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    active INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (code)
) STRICT;
