CREATE TABLE IF NOT EXISTS invoices (
    number VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    items LONGTEXT NOT NULL,
    total_minor BIGINT NOT NULL,
    currency VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (number),
    UNIQUE KEY uq_invoices_order_id (order_id),
    KEY ix_invoices_user_id_issued_at (user_id, issued_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
