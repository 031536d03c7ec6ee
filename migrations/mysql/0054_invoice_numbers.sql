CREATE TABLE IF NOT EXISTS invoice_numbers (
    year_no BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    PRIMARY KEY (year_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
