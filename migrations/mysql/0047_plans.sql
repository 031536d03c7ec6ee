CREATE TABLE IF NOT EXISTS plans (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    family VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    code VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    rank_no BIGINT NOT NULL,
    names LONGTEXT NOT NULL,
    visibility VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    features LONGTEXT NOT NULL,
    badge VARCHAR(64) NULL,
    sort_no BIGINT NOT NULL,
    number BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE KEY uq_plans_code (code),
    KEY ix_plans_family (family)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
