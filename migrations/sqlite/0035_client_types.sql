CREATE TABLE IF NOT EXISTS client_types (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    ua_regex TEXT NOT NULL,
    required_headers TEXT NOT NULL,
    route_families TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;
