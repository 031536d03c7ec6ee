CREATE TABLE IF NOT EXISTS user_second_factors (
    user_id BIGINT NOT NULL PRIMARY KEY,
    secret LONGTEXT NOT NULL,
    confirmed_at BIGINT NULL,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
