CREATE TABLE IF NOT EXISTS account_group_members (
    group_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    PRIMARY KEY (group_id, account_id)
) STRICT;
CREATE INDEX IF NOT EXISTS ix_account_group_members_account_id ON account_group_members (account_id);
