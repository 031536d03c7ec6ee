CREATE TABLE IF NOT EXISTS discount_redemptions (
    code_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    redeemed_at BIGINT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (code_id, user_id, slot),
    KEY ix_discount_redemptions_order_id (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
