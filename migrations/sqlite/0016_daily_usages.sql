CREATE TABLE IF NOT EXISTS daily_usages (
    user_id INTEGER NOT NULL,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_w5m_tokens INTEGER NOT NULL,
    cache_w1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    web_search INTEGER NOT NULL,
    list_nanos INTEGER NOT NULL,
    charge_nanos INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, model)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_daily_usages_day ON daily_usages (day);
