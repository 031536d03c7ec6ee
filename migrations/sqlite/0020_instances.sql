CREATE TABLE IF NOT EXISTS instances (
    instance TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    version TEXT NOT NULL,
    mode TEXT NOT NULL,
    PRIMARY KEY (instance)
) STRICT;
