-- Generated from schema/pipeline.yaml by tools/generate; only the indexes are written by hand.
-- projection: pipelines
-- from: pipeline
-- summary: What moves data. pipelines (ETL Builder, Django ETL, Data Aggregator), pages and dag_definitions (ETLab),
--   jobs of OpenLineage. The documents' own version string is version_label; their version numbers are version_number.

-- section: tables
CREATE TABLE daybook.pipelines (
  id                    uuid PRIMARY KEY,
  number                bigint,
  organization_id       uuid,
  kind                  text,
  name                  text,
  namespace             text,
  description           text,
  status                text,
  config                jsonb,
  is_active             boolean,
  nodes                 jsonb,
  edges                 jsonb,
  tasks                 jsonb,
  steps                 jsonb,
  source_config         jsonb,
  transformation_config jsonb,
  destination_config    jsonb,
  visual_definition     jsonb,
  schedule              jsonb,
  is_scheduled          boolean,
  tags                  text[],
  default_params        jsonb,
  default_args          jsonb,
  metadata              jsonb,
  generated_code        text,
  code                  jsonb,
  version_label         varchar(50),
  dag_id                varchar(255),
  owner_id              uuid,
  workspace_id          uuid,
  template_id           uuid,
  published_at          timestamptz,
  version_number        integer,
  sync_status           text,
  last_synced_at        timestamptz,
  reported_fields       jsonb,
  created_by            uuid,
  created_at            timestamptz,
  updated_at            timestamptz,
  version               bigint,
  deleted_at            timestamptz
);

COMMENT ON TABLE daybook.pipelines IS
  'What moves data. pipelines (ETL Builder, Django ETL, Data Aggregator), pages and dag_definitions (ETLab), jobs of '
  'OpenLineage. The documents'' own version string is version_label; their version numbers are version_number.';
COMMENT ON COLUMN daybook.pipelines.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.pipelines.kind IS
  'Of a reported job null until a report says that it is a DAG; the platforms'' views take it for a flow until then. '
  'One of flow, page, dag.';
COMMENT ON COLUMN daybook.pipelines.name IS
  'At most 255 characters on the platforms; an OpenLineage job may have a longer one.';
COMMENT ON COLUMN daybook.pipelines.namespace IS 'The OpenLineage job namespace.';
COMMENT ON COLUMN daybook.pipelines.status IS 'One of draft, active, paused, archived, deprecated.';
COMMENT ON COLUMN daybook.pipelines.is_active IS
  'Data Aggregator: false for what is no longer in use, whatever its status. Set where the organization is of that '
  'platform.';
COMMENT ON COLUMN daybook.pipelines.schedule IS
  'A cron line, @daily and its like, or {"interval":…,"start_date":…,"catchup":…}.';
COMMENT ON COLUMN daybook.pipelines.code IS
  'Source code or SQL that an OpenLineage producer reported, with its language.';
COMMENT ON COLUMN daybook.pipelines.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.pipelines.workspace_id IS 'The workspace of a page or DAG. Refers to workspace.';
COMMENT ON COLUMN daybook.pipelines.template_id IS 'What it was made from. Refers to pipeline_template.';
COMMENT ON COLUMN daybook.pipelines.sync_status IS
  'How a DAG stands to its scheduler, pending at first. Changed content, also by a rollback, makes what was synced, or '
  'failed to be, modified. One of pending, synced, error, modified.';
COMMENT ON COLUMN daybook.pipelines.reported_fields IS
  'For each field that reports decide, the event time of the report that decided it.';
COMMENT ON COLUMN daybook.pipelines.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.pipelines.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.pipelines.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.pipelines.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX pipelines_organization_id_status ON daybook.pipelines (organization_id, status);
CREATE INDEX pipelines_organization_id_created_at ON daybook.pipelines (organization_id, created_at DESC);
CREATE INDEX pipelines_status ON daybook.pipelines (status);
CREATE INDEX pipelines_created_by ON daybook.pipelines (created_by);
CREATE INDEX pipelines_owner_id ON daybook.pipelines (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX pipelines_name ON daybook.pipelines (name);
CREATE INDEX pipelines_dag_id ON daybook.pipelines (dag_id) WHERE dag_id IS NOT NULL;
CREATE INDEX pipelines_namespace ON daybook.pipelines USING hash (namespace) WHERE namespace IS NOT NULL;
CREATE INDEX pipelines_tags ON daybook.pipelines USING gin (tags);
CREATE INDEX pipelines_workspace_id ON daybook.pipelines (workspace_id) WHERE workspace_id IS NOT NULL;
CREATE INDEX pipelines_template_id ON daybook.pipelines (template_id) WHERE template_id IS NOT NULL;
CREATE INDEX pipelines_number ON daybook.pipelines ((number::integer));
CREATE INDEX pipelines_holder ON daybook.pipelines ((coalesce(owner_id, created_by)));
CREATE INDEX pipelines_shown_status ON daybook.pipelines ((status::varchar(50)));
CREATE INDEX pipelines_shown_name ON daybook.pipelines ((name::varchar(255)));
CREATE INDEX pipelines_shown_is_active ON daybook.pipelines ((coalesce(is_active, status = 'active')));
