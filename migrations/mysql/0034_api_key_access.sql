ALTER TABLE api_keys
    ADD COLUMN icon VARCHAR(64) NOT NULL DEFAULT '',
    ADD COLUMN allowed_clients LONGTEXT NULL,
    ADD COLUMN ip_allow LONGTEXT NULL,
    ADD COLUMN ip_deny LONGTEXT NULL,
    ADD COLUMN import_ref VARCHAR(191) NULL,
    ADD UNIQUE KEY uq_api_keys_import_ref (import_ref);
