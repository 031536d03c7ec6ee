CREATE TABLE IF NOT EXISTS journal_positions (
    instance TEXT NOT NULL,
    file_name TEXT NOT NULL,
    byte_offset INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (instance, file_name)
) STRICT;
