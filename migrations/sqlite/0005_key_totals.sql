CREATE TABLE IF NOT EXISTS key_totals (
    key_id INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    charge_nanos INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (key_id)
) STRICT;
