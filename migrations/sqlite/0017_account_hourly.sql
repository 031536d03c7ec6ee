CREATE TABLE IF NOT EXISTS account_hourly (
    hour_start INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    model TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    upstream_nanos INTEGER NOT NULL,
    PRIMARY KEY (hour_start, account_id, model)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_account_hourly_account_id_hour_start ON account_hourly (account_id, hour_start);
