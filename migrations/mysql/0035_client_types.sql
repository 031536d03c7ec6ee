CREATE TABLE IF NOT EXISTS client_types (
    id VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name VARCHAR(100) NOT NULL,
    ua_regex VARCHAR(200) NOT NULL,
    required_headers LONGTEXT NOT NULL,
    route_families LONGTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
