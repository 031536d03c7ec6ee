CREATE TABLE IF NOT EXISTS ledger_entries (
    txn_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    balance_after BIGINT NOT NULL,
    PRIMARY KEY (txn_id, seq),
    KEY ix_ledger_entries_account_id_txn_id (account_id, txn_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
