-- Generated from schema/membership.yaml by tools/generate; only the indexes are written by hand.
-- projection: memberships
-- from: membership
-- summary: A person's place in an organization. user_organizations (ETL Builder), organization_memberships (Django
--   ETL).

-- section: tables
CREATE TABLE daybook.memberships (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  user_id         uuid,
  role            text,
  is_guest        boolean,
  joined_at       timestamptz,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.memberships IS
  'A person''s place in an organization. user_organizations (ETL Builder), organization_memberships (Django ETL).';
COMMENT ON COLUMN daybook.memberships.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.memberships.user_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.memberships.role IS 'One of owner, admin, member.';
COMMENT ON COLUMN daybook.memberships.is_guest IS
  'Came by a share link of a workspace, and only reads outside of the workspaces in which they have a role, whatever '
  'their platform role. They become a full member by accepting an invitation; an administrator of the service may set '
  'it to false.';
COMMENT ON COLUMN daybook.memberships.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.memberships.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.memberships.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.memberships.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX memberships_user_id ON daybook.memberships (user_id);
CREATE INDEX memberships_organization_id ON daybook.memberships (organization_id);
