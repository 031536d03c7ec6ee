CREATE TABLE IF NOT EXISTS account_group_rules (
    group_id BIGINT NOT NULL PRIMARY KEY,
    platform VARCHAR(16),
    model_routes LONGTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
