CREATE TABLE IF NOT EXISTS ledger_txns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ledger TEXT NOT NULL,
    kind TEXT NOT NULL,
    idem_key TEXT NOT NULL,
    ref_type TEXT,
    ref_id TEXT,
    reverses INTEGER,
    actor TEXT,
    reason TEXT,
    effective_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (idem_key),
    UNIQUE (reverses)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_ledger_txns_ref_type_ref_id ON ledger_txns (ref_type, ref_id);
CREATE TRIGGER IF NOT EXISTS ledger_txns_no_update BEFORE UPDATE ON ledger_txns
BEGIN
    SELECT RAISE(ABORT, 'ledger_txns is append-only');
END;
CREATE TRIGGER IF NOT EXISTS ledger_txns_no_delete BEFORE DELETE ON ledger_txns
BEGIN
    SELECT RAISE(ABORT, 'ledger_txns is append-only');
END;
