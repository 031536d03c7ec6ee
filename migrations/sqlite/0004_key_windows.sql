CREATE TABLE IF NOT EXISTS key_windows (
    key_id INTEGER NOT NULL,
    window_kind TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    used_nanos INTEGER NOT NULL,
    PRIMARY KEY (key_id, window_kind, window_start)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_key_windows_window_start ON key_windows (window_start);
