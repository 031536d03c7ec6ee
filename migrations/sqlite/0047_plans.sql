CREATE TABLE IF NOT EXISTS plans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    family TEXT NOT NULL,
    code TEXT NOT NULL,
    rank_no INTEGER NOT NULL,
    names TEXT NOT NULL,
    visibility TEXT NOT NULL,
    features TEXT NOT NULL,
    badge TEXT,
    sort_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (code)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_plans_family ON plans (family);
