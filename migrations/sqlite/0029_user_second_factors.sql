CREATE TABLE IF NOT EXISTS user_second_factors (
    user_id INTEGER PRIMARY KEY,
    secret TEXT NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
