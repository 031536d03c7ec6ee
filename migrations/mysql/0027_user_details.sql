ALTER TABLE users
    ADD COLUMN profile TEXT NULL,
    ADD COLUMN default_key_limits TEXT NULL,
    ADD COLUMN inviter_id BIGINT NULL,
    ADD COLUMN second_factor_at BIGINT NULL;
