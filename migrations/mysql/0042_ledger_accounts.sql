CREATE TABLE IF NOT EXISTS ledger_accounts (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    ledger VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    code VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id BIGINT NULL,
    balance BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE KEY uq_ledger_accounts_ledger_code (ledger, code),
    KEY ix_ledger_accounts_user_id (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
