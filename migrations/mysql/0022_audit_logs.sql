CREATE TABLE IF NOT EXISTS audit_logs (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    actor_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    actor_id BIGINT NULL,
    actor_role VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ip VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    user_agent VARCHAR(500) NULL,
    action VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    target_type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    target_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    result VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    changes LONGTEXT NOT NULL,
    prev_hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    row_hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    KEY ix_audit_logs_created_at (created_at),
    KEY ix_audit_logs_target_type_target_id (target_type, target_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
