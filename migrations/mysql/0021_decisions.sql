CREATE TABLE IF NOT EXISTS decisions (
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    decision_no BIGINT NOT NULL,
    record LONGTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, decision_no),
    KEY ix_decisions_created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
