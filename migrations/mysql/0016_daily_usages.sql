CREATE TABLE IF NOT EXISTS daily_usages (
    user_id BIGINT NOT NULL,
    day VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    model VARCHAR(191) NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_w5m_tokens BIGINT NOT NULL,
    cache_w1h_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    web_search BIGINT NOT NULL,
    list_nanos BIGINT NOT NULL,
    charge_nanos BIGINT NOT NULL,
    PRIMARY KEY (user_id, day, model),
    KEY ix_daily_usages_day (day)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
