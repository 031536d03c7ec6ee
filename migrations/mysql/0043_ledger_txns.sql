CREATE TABLE IF NOT EXISTS ledger_txns (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    ledger VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    idem_key VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    ref_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ref_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    reverses BIGINT NULL,
    actor VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    reason VARCHAR(500) NULL,
    effective_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE KEY uq_ledger_txns_idem_key (idem_key),
    UNIQUE KEY uq_ledger_txns_reverses (reverses),
    KEY ix_ledger_txns_ref_type_ref_id (ref_type, ref_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
