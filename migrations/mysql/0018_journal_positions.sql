CREATE TABLE IF NOT EXISTS journal_positions (
    instance VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    file_name VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    byte_offset BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (instance, file_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
