CREATE TABLE IF NOT EXISTS ledger_accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ledger TEXT NOT NULL,
    code TEXT NOT NULL,
    user_id INTEGER,
    balance INTEGER NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (ledger, code)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_ledger_accounts_user_id ON ledger_accounts (user_id);
