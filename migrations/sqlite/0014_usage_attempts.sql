CREATE TABLE IF NOT EXISTS usage_attempts (
    attempt_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    model_upstream TEXT NOT NULL,
    upstream_request_id TEXT,
    started_at INTEGER NOT NULL,
    http_status INTEGER,
    verdict TEXT NOT NULL,
    switched INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_w5m_tokens INTEGER NOT NULL,
    cache_w1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    web_search INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    parts TEXT,
    raw_usage TEXT,
    upstream_nanos INTEGER NOT NULL,
    ttfb_ms INTEGER,
    ttft_ms INTEGER,
    total_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (attempt_id)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_usage_attempts_request_id ON usage_attempts (request_id);
CREATE INDEX IF NOT EXISTS ix_usage_attempts_started_at ON usage_attempts (started_at);
