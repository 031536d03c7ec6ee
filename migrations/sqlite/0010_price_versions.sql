CREATE TABLE IF NOT EXISTS price_versions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL,
    pattern TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    effective_from INTEGER NOT NULL,
    effective_to INTEGER,
    prices TEXT NOT NULL,
    created_by TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (service, pattern, effective_from)
) STRICT;
