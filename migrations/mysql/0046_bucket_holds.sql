CREATE TABLE IF NOT EXISTS bucket_holds (
    hold_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    bucket_id BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    state VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at BIGINT NOT NULL,
    resolved_at BIGINT NULL,
    PRIMARY KEY (hold_id, bucket_id),
    KEY ix_bucket_holds_bucket_id (bucket_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
