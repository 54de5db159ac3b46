-- Generated from schema/workspace_member.yaml by tools/generate; only the indexes are written by hand.
-- projection: workspace_members
-- from: workspace_member
-- summary: A person's place in a workspace. workspace_members (ETLab). In it the role decides instead of the platform
--   role: a viewer reads; an editor makes, changes and runs pages, DAGs and schemas; an owner also deletes, shares and
--   says who is in it. Other members of the organization see what is in it and change nothing; in an organization of
--   ETLab they don't see it. The organization's owners and admins may do everything.

-- section: tables
CREATE TABLE daybook.workspace_members (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  workspace_id    uuid,
  user_id         uuid,
  role            text,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.workspace_members IS
  'A person''s place in a workspace. workspace_members (ETLab). In it the role decides instead of the platform role: a '
  'viewer reads; an editor makes, changes and runs pages, DAGs and schemas; an owner also deletes, shares and says who '
  'is in it. Other members of the organization see what is in it and change nothing; in an organization of ETLab they '
  'don''t see it. The organization''s owners and admins may do everything.';
COMMENT ON COLUMN daybook.workspace_members.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.workspace_members.workspace_id IS 'Refers to workspace.';
COMMENT ON COLUMN daybook.workspace_members.user_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.workspace_members.role IS 'One of owner, editor, viewer.';
COMMENT ON COLUMN daybook.workspace_members.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.workspace_members.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.workspace_members.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.workspace_members.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX workspace_members_organization_id ON daybook.workspace_members (organization_id);
CREATE INDEX workspace_members_workspace_id ON daybook.workspace_members (workspace_id);
CREATE INDEX workspace_members_user_id ON daybook.workspace_members (user_id);
