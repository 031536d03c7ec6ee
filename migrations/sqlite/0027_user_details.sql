ALTER TABLE users ADD COLUMN profile TEXT;
ALTER TABLE users ADD COLUMN default_key_limits TEXT;
ALTER TABLE users ADD COLUMN inviter_id INTEGER;
ALTER TABLE users ADD COLUMN second_factor_at INTEGER;
