-- Generated from schema/workspace.yaml by tools/generate; only the indexes are written by hand.
-- projection: workspaces
-- from: workspace
-- summary: A place for pages, DAGs and schemas that several people work on. workspaces (ETLab).

-- section: tables
CREATE TABLE daybook.workspaces (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(255),
  description     text,
  owner_id        uuid,
  settings        jsonb,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.workspaces IS
  'A place for pages, DAGs and schemas that several people work on. workspaces (ETLab).';
COMMENT ON COLUMN daybook.workspaces.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.workspaces.owner_id IS 'By default who makes it; always an owner member. Refers to user.';
COMMENT ON COLUMN daybook.workspaces.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.workspaces.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.workspaces.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.workspaces.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX workspaces_organization_id ON daybook.workspaces (organization_id);
CREATE INDEX workspaces_owner_id ON daybook.workspaces (owner_id) WHERE owner_id IS NOT NULL;
