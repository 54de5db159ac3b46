-- Generated from schema/task_run.yaml by tools/generate; only the indexes are written by hand.
-- projection: task_runs
-- from: task_run
-- summary: One step of a run. task_runs (Django ETL; `pipeline_run_id` is run_id, `pipeline_step_id` is step_id),
--   task_states (ETLab).

-- section: tables
CREATE TABLE daybook.task_runs (
  id               uuid PRIMARY KEY,
  number           bigint,
  organization_id  uuid,
  run_id           uuid,
  step_id          uuid,
  name             varchar(255),
  status           text,
  started_at       timestamptz,
  completed_at     timestamptz,
  duration_seconds double precision,
  input_data       jsonb,
  output_data      jsonb,
  metrics          jsonb,
  error_message    text,
  retry_count      integer,
  created_by       uuid,
  created_at       timestamptz,
  updated_at       timestamptz,
  version          bigint,
  deleted_at       timestamptz
);

COMMENT ON TABLE daybook.task_runs IS
  'One step of a run. task_runs (Django ETL; `pipeline_run_id` is run_id, `pipeline_step_id` is step_id), task_states '
  '(ETLab).';
COMMENT ON COLUMN daybook.task_runs.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.task_runs.run_id IS 'Refers to run.';
COMMENT ON COLUMN daybook.task_runs.step_id IS 'The id of a step of the pipeline''s pinned version.';
COMMENT ON COLUMN daybook.task_runs.status IS 'One of pending, running, success, failed, cancelled, timeout.';
COMMENT ON COLUMN daybook.task_runs.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.task_runs.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.task_runs.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.task_runs.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX task_runs_organization_id ON daybook.task_runs (organization_id);
CREATE INDEX task_runs_run_id_status ON daybook.task_runs (run_id, status);
CREATE INDEX task_runs_step_id ON daybook.task_runs (step_id) WHERE step_id IS NOT NULL;
CREATE INDEX task_runs_started_at ON daybook.task_runs (started_at DESC);
CREATE INDEX task_runs_status ON daybook.task_runs (status);
