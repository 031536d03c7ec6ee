CREATE TABLE IF NOT EXISTS decisions (
    request_id TEXT NOT NULL,
    decision_no INTEGER NOT NULL,
    record TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (request_id, decision_no)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_decisions_created_at ON decisions (created_at);
