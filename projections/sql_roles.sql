-- Generated from schema/sql_role.yaml by tools/generate; only the indexes are written by hand.
-- projection: sql_roles
-- from: sql_role
-- summary: A PostgreSQL role that may read one organization's rows; personal columns only by a recorded grant.

-- section: tables
CREATE TABLE daybook.sql_roles (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(60),
  personal        boolean,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.sql_roles IS
  'A PostgreSQL role that may read one organization''s rows; personal columns only by a recorded grant.';
COMMENT ON COLUMN daybook.sql_roles.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.sql_roles.personal IS 'Whether it may read personal columns.';
COMMENT ON COLUMN daybook.sql_roles.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.sql_roles.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.sql_roles.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.sql_roles.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX sql_roles_organization_id ON daybook.sql_roles (organization_id);
