CREATE TABLE IF NOT EXISTS invoices (
    number TEXT NOT NULL,
    order_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    items TEXT NOT NULL,
    total_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    PRIMARY KEY (number),
    UNIQUE (order_id)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_invoices_user_id_issued_at ON invoices (user_id, issued_at);
