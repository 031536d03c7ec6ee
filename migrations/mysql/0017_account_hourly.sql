CREATE TABLE IF NOT EXISTS account_hourly (
    hour_start BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    model VARCHAR(191) NOT NULL,
    attempts BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    upstream_nanos BIGINT NOT NULL,
    PRIMARY KEY (hour_start, account_id, model),
    KEY ix_account_hourly_account_id_hour_start (account_id, hour_start)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
