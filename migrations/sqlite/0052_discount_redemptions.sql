CREATE TABLE IF NOT EXISTS discount_redemptions (
    code_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    redeemed_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (code_id, user_id, slot)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_discount_redemptions_order_id ON discount_redemptions (order_id);
