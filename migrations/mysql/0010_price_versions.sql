CREATE TABLE IF NOT EXISTS price_versions (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    service VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pattern VARCHAR(191) NOT NULL,
    kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    source VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    effective_from BIGINT NOT NULL,
    effective_to BIGINT NULL,
    prices LONGTEXT NOT NULL,
    created_by VARCHAR(100) NOT NULL,
    note VARCHAR(500) NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE KEY uq_price_versions_service_pattern_effective_from (service, pattern, effective_from)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
