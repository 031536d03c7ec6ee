CREATE TABLE IF NOT EXISTS plan_versions (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    plan_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    terms LONGTEXT NOT NULL,
    created_by VARCHAR(191) NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE KEY uq_plan_versions_plan_id_number (plan_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
