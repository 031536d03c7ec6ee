CREATE TABLE IF NOT EXISTS usage_charges (
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    bucket_id BIGINT NULL,
    unit VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount BIGINT NOT NULL,
    txn_id BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, seq),
    KEY ix_usage_charges_txn_id (txn_id),
    KEY ix_usage_charges_started_at (started_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
