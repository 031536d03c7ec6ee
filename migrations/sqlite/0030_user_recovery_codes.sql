CREATE TABLE IF NOT EXISTS user_recovery_codes (
    user_id INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (user_id, digest)
) STRICT;
