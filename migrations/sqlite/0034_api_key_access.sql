ALTER TABLE api_keys ADD COLUMN icon TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN allowed_clients TEXT;
ALTER TABLE api_keys ADD COLUMN ip_allow TEXT;
ALTER TABLE api_keys ADD COLUMN ip_deny TEXT;
ALTER TABLE api_keys ADD COLUMN import_ref TEXT;
CREATE UNIQUE INDEX uq_api_keys_import_ref ON api_keys (import_ref);
