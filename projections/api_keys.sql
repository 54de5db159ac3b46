-- Generated from schema/api_key.yaml by tools/generate; only the indexes are written by hand.
-- projection: api_keys
-- from: api_key
-- summary: A program's key to one organization. api_keys (ETL Builder). The key itself is shown once; its SHA-256 is
--   kept.

-- section: tables
CREATE TABLE daybook.api_keys (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(255),
  user_id         uuid,
  key_prefix      varchar(20),
  permissions     jsonb,
  acts_for_people boolean,
  is_active       boolean,
  expires_at      timestamptz,
  last_used_at    timestamptz,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.api_keys IS
  'A program''s key to one organization. api_keys (ETL Builder). The key itself is shown once; its SHA-256 is kept.';
COMMENT ON COLUMN daybook.api_keys.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.api_keys.user_id IS
  'Who made it and for whom it acts. It never does more than they may do now, and is revoked when they are '
  'deactivated, deleted or leave the organization. Refers to user.';
COMMENT ON COLUMN daybook.api_keys.permissions IS
  'Verbs by plural resource, such as {"pipelines":["read","execute"]}; "*" stands for every resource.';
COMMENT ON COLUMN daybook.api_keys.acts_for_people IS
  'Whether it may give commands on behalf of people of its organization, with the rights that both have. An owner or '
  'an admin gives it the right, and it holds only while whoever made the key is one.';
COMMENT ON COLUMN daybook.api_keys.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.api_keys.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.api_keys.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.api_keys.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX api_keys_organization_id ON daybook.api_keys (organization_id);
CREATE INDEX api_keys_created_by ON daybook.api_keys (created_by);
CREATE INDEX api_keys_user_id ON daybook.api_keys (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX api_keys_shown_hash ON daybook.api_keys ((('!' || id::text)::varchar(255)));
