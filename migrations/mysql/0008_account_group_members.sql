CREATE TABLE IF NOT EXISTS account_group_members (
    group_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    PRIMARY KEY (group_id, account_id),
    KEY ix_account_group_members_account_id (account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
