CREATE TABLE IF NOT EXISTS invoice_numbers (
    year_no INTEGER NOT NULL,
    last_number INTEGER NOT NULL,
    PRIMARY KEY (year_no)
) STRICT;
