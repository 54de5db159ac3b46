-- Generated from schema/schema_mapping.yaml by tools/generate; only the indexes are written by hand.
-- projection: schema_mappings
-- from: schema_mapping
-- summary: Which field of a source becomes which of a destination. schema_mappings (Data Aggregator).

-- section: tables
CREATE TABLE daybook.schema_mappings (
  id                   uuid PRIMARY KEY,
  number               bigint,
  organization_id      uuid,
  name                 varchar(255),
  source_schema        jsonb,
  destination_schema   jsonb,
  field_mappings       jsonb,
  transformation_rules jsonb,
  is_active            boolean,
  owner_id             uuid,
  version_number       integer,
  created_by           uuid,
  created_at           timestamptz,
  updated_at           timestamptz,
  version              bigint,
  deleted_at           timestamptz
);

COMMENT ON TABLE daybook.schema_mappings IS
  'Which field of a source becomes which of a destination. schema_mappings (Data Aggregator).';
COMMENT ON COLUMN daybook.schema_mappings.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.schema_mappings.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.schema_mappings.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.schema_mappings.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.schema_mappings.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.schema_mappings.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX schema_mappings_organization_id ON daybook.schema_mappings (organization_id);
CREATE INDEX schema_mappings_owner_id ON daybook.schema_mappings (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX schema_mappings_number ON daybook.schema_mappings ((number::integer));
CREATE INDEX schema_mappings_holder ON daybook.schema_mappings ((coalesce(owner_id, created_by)));
