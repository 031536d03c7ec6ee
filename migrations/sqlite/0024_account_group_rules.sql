CREATE TABLE IF NOT EXISTS account_group_rules (
    group_id INTEGER PRIMARY KEY,
    platform TEXT,
    model_routes TEXT NOT NULL
) STRICT;
