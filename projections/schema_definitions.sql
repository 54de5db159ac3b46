-- Generated from schema/schema_definition.yaml by tools/generate; only the indexes are written by hand.
-- projection: schema_definitions
-- from: schema_definition
-- summary: A reusable list of columns. schema_definitions (ETLab).

-- section: tables
CREATE TABLE daybook.schema_definitions (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  workspace_id    uuid,
  name            varchar(255),
  description     text,
  columns         jsonb,
  version_number  integer,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.schema_definitions IS 'A reusable list of columns. schema_definitions (ETLab).';
COMMENT ON COLUMN daybook.schema_definitions.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.schema_definitions.workspace_id IS 'Refers to workspace.';
COMMENT ON COLUMN daybook.schema_definitions.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.schema_definitions.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.schema_definitions.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.schema_definitions.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX schema_definitions_organization_id ON daybook.schema_definitions (organization_id);
CREATE INDEX schema_definitions_workspace_id ON daybook.schema_definitions (workspace_id) WHERE workspace_id IS NOT NULL;
