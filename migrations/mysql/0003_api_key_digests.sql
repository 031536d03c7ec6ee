CREATE TABLE IF NOT EXISTS api_key_digests (
    hash_scheme VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    key_hash VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    key_id BIGINT NOT NULL,
    valid_until BIGINT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (hash_scheme, key_hash),
    KEY ix_api_key_digests_key_id (key_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
