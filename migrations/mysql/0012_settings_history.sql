CREATE TABLE IF NOT EXISTS settings_history (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    old_value LONGTEXT NULL,
    new_value LONGTEXT NULL,
    changed_by VARCHAR(100) NOT NULL,
    changed_at BIGINT NOT NULL,
    KEY ix_settings_history_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
