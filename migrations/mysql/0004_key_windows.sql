CREATE TABLE IF NOT EXISTS key_windows (
    key_id BIGINT NOT NULL,
    window_kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    window_start BIGINT NOT NULL,
    used_nanos BIGINT NOT NULL,
    PRIMARY KEY (key_id, window_kind, window_start),
    KEY ix_key_windows_window_start (window_start)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
