-- Generated from schema/dataset.yaml by tools/generate; only the indexes are written by hand.
-- projection: datasets
-- from: dataset
-- summary: A table, file or topic that runs read and write. OpenLineage datasets; unique by organization, namespace
--   and name.

-- section: tables
CREATE TABLE daybook.datasets (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  namespace       text,
  name            text,
  description     text,
  schema_fields   jsonb,
  column_lineage  jsonb,
  data_source     jsonb,
  symlinks        jsonb,
  alias_ids       text[],
  renamed_from    jsonb,
  tags            text[],
  column_tags     jsonb,
  owners          jsonb,
  lifecycle_state varchar(50),
  statistics      jsonb,
  reported_at     timestamptz,
  reported_fields jsonb,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.datasets IS
  'A table, file or topic that runs read and write. OpenLineage datasets; unique by organization, namespace and name.';
COMMENT ON COLUMN daybook.datasets.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.datasets.schema_fields IS
  'The columns, as the schema facet lists them: name, type, description, nested fields.';
COMMENT ON COLUMN daybook.datasets.column_lineage IS
  'The columnLineage facet of the last report that had one; lineage edges keep every job''s.';
COMMENT ON COLUMN daybook.datasets.data_source IS 'The dataSource facet; name and uri.';
COMMENT ON COLUMN daybook.datasets.alias_ids IS
  'The datasets that have named this one among their symlinks, or as their former name, at most 1,000; lineage takes '
  'them for one while they do.';
COMMENT ON COLUMN daybook.datasets.renamed_from IS
  'The namespace and name that it had before, of the last report of a renaming.';
COMMENT ON COLUMN daybook.datasets.tags IS 'The tags facet as key or key:value, and what people added.';
COMMENT ON COLUMN daybook.datasets.column_tags IS 'Tags of columns by their names.';
COMMENT ON COLUMN daybook.datasets.statistics IS
  'What the last reports counted (input, output, quality), and assertions: each check with how it went and when that '
  'was reported.';
COMMENT ON COLUMN daybook.datasets.reported_at IS 'The latest event time of the reports that decided these fields.';
COMMENT ON COLUMN daybook.datasets.reported_fields IS
  'For each field that reports decide, the event time of the report that decided it.';
COMMENT ON COLUMN daybook.datasets.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.datasets.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.datasets.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.datasets.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX datasets_organization_id ON daybook.datasets (organization_id);
CREATE INDEX datasets_namespace ON daybook.datasets USING hash (namespace);
CREATE INDEX datasets_name ON daybook.datasets USING hash (name);
