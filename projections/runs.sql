-- Generated from schema/run.yaml by tools/generate; only the indexes are written by hand.
-- projection: runs
-- from: run
-- summary: One execution, of a pipeline at the version it ran or of ad hoc code. pipeline_executions (ETL Builder),
--   pipeline_runs (Django ETL, Data Aggregator), execution_history and dag_executions (ETLab), runs of OpenLineage.

-- section: tables
CREATE TABLE daybook.runs (
  id                 uuid PRIMARY KEY,
  number             bigint,
  organization_id    uuid,
  pipeline_id        uuid,
  pipeline_version   integer,
  connection_id      uuid,
  triggered_by       uuid,
  trigger_type       text,
  status             text,
  started_at         timestamptz,
  completed_at       timestamptz,
  duration_seconds   double precision,
  nominal_start_at   timestamptz,
  nominal_end_at     timestamptz,
  params             jsonb,
  context            jsonb,
  metrics            jsonb,
  result             jsonb,
  result_summary     jsonb,
  error_message      text,
  execution_log      jsonb,
  rows_processed     bigint,
  data_size_bytes    bigint,
  code               text,
  language           varchar(50),
  dag_id             varchar(255),
  dag_run_id         varchar(255),
  task_states        jsonb,
  parent_run_id      uuid,
  external_id        text,
  producer           text,
  tags               text[],
  input_dataset_ids  text[],
  output_dataset_ids text[],
  reported_fields    jsonb,
  created_by         uuid,
  created_at         timestamptz,
  updated_at         timestamptz,
  version            bigint,
  deleted_at         timestamptz
);

COMMENT ON TABLE daybook.runs IS
  'One execution, of a pipeline at the version it ran or of ad hoc code. pipeline_executions (ETL Builder), '
  'pipeline_runs (Django ETL, Data Aggregator), execution_history and dag_executions (ETLab), runs of OpenLineage.';
COMMENT ON COLUMN daybook.runs.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.runs.pipeline_id IS 'Refers to pipeline.';
COMMENT ON COLUMN daybook.runs.pipeline_version IS 'The version_number that it ran.';
COMMENT ON COLUMN daybook.runs.connection_id IS 'Refers to connection.';
COMMENT ON COLUMN daybook.runs.triggered_by IS
  'The acting person where nobody is named and the trigger is manual or api. Refers to user.';
COMMENT ON COLUMN daybook.runs.trigger_type IS
  'Of a reported run null until a report says it; where the platforms want one, they show manual. One of manual, '
  'scheduled, api, webhook.';
COMMENT ON COLUMN daybook.runs.status IS 'One of pending, running, success, failed, cancelled, timeout.';
COMMENT ON COLUMN daybook.runs.params IS 'What it was given. Of a reported run null until a report says it.';
COMMENT ON COLUMN daybook.runs.context IS
  'Reports put here: processing_engine, parent_job, parent_run_id, run_type, try_number, map_index, '
  'rendered_map_index, log_url.';
COMMENT ON COLUMN daybook.runs.rows_processed IS
  'Of a reported run what its reports count of its outputs, null until one does.';
COMMENT ON COLUMN daybook.runs.data_size_bytes IS
  'Of a reported run what its reports count of its outputs, null until one does.';
COMMENT ON COLUMN daybook.runs.code IS
  'What an ad hoc execution runs. A run has a pipeline_id or code; on data_aggregator it may have neither.';
COMMENT ON COLUMN daybook.runs.task_states IS
  'By task of a DAG: {"state": "success", "duration": 45.2, "started_at": …}.';
COMMENT ON COLUMN daybook.runs.parent_run_id IS 'Refers to run.';
COMMENT ON COLUMN daybook.runs.tags IS 'The tags facet of OpenLineage as key or key:value, and what people added.';
COMMENT ON COLUMN daybook.runs.reported_fields IS
  'For each field that reports decide, the event time of the report that decided it.';
COMMENT ON COLUMN daybook.runs.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.runs.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.runs.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.runs.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX runs_organization_id_started_at ON daybook.runs (organization_id, started_at DESC);
CREATE INDEX runs_organization_id_status ON daybook.runs (organization_id, status);
CREATE INDEX runs_pipeline_id_started_at_status ON daybook.runs (pipeline_id, started_at DESC, status);
CREATE INDEX runs_pipeline_id_status ON daybook.runs (pipeline_id, status);
CREATE INDEX runs_status ON daybook.runs (status);
CREATE INDEX runs_started_at ON daybook.runs (started_at DESC);
CREATE INDEX runs_shown_status_started_at ON daybook.runs ((status::varchar(20)), (coalesce(started_at, created_at)));
CREATE INDEX runs_started_at_in_utc ON daybook.runs ((started_at AT TIME ZONE 'UTC'));
CREATE INDEX runs_triggered_by ON daybook.runs (triggered_by) WHERE triggered_by IS NOT NULL;
CREATE INDEX runs_dag_run_id ON daybook.runs (dag_run_id) WHERE dag_run_id IS NOT NULL;
CREATE INDEX runs_parent_run_id ON daybook.runs (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX runs_external_id ON daybook.runs USING hash (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX runs_created_at ON daybook.runs (created_at DESC);
CREATE INDEX runs_number ON daybook.runs ((number::integer));
CREATE INDEX runs_executing_user ON daybook.runs ((coalesce(triggered_by, created_by)));
CREATE INDEX runs_input_dataset_ids ON daybook.runs USING gin (input_dataset_ids) WHERE input_dataset_ids IS NOT NULL;
CREATE INDEX runs_output_dataset_ids ON daybook.runs USING gin (output_dataset_ids) WHERE output_dataset_ids IS NOT NULL;
