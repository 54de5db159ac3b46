-- projection: run_metrics
-- events: run.measured, task_run.measured
-- needs: run_id
-- removes: run.deleted
-- partitioned: at
-- summary: What was measured at the nodes of runs and of their tasks, one row a measurement. node_metrics (ETL Builder).

-- section: tables
CREATE TABLE daybook.run_metrics (
  id               bigint,
  organization_id  uuid,
  run_id           uuid,
  task_run_id      uuid,
  at               timestamptz,
  node_id          varchar(100),
  rows_input       bigint,
  rows_output      bigint,
  rows_filtered    bigint,
  rows_error       bigint,
  data_size_bytes  bigint,
  duration_seconds double precision,
  memory_peak_mb   double precision,
  cpu_percent      double precision,
  metadata         jsonb,
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

COMMENT ON TABLE daybook.run_metrics IS 'What was measured at the nodes of runs and of their tasks, one row a measurement.';
COMMENT ON COLUMN daybook.run_metrics.id IS 'The position of the event × 2^20.';
COMMENT ON COLUMN daybook.run_metrics.task_run_id IS 'The task that was measured, where it was a task.';
COMMENT ON COLUMN daybook.run_metrics.at IS 'The measurement''s own time, or the event''s where it has none.';

-- What goes with a run is found by it, also while a rebuild fills the table.
CREATE INDEX run_metrics_run_id_at ON daybook.run_metrics (run_id, at DESC);

-- section: indexes
CREATE INDEX run_metrics_task_run_id ON daybook.run_metrics (task_run_id);
CREATE INDEX run_metrics_at ON daybook.run_metrics (at DESC);
CREATE INDEX run_metrics_organization_id ON daybook.run_metrics (organization_id);

-- section: fill
INSERT INTO daybook.run_metrics (
  id, organization_id, run_id, task_run_id, at, node_id, rows_input, rows_output, rows_filtered, rows_error,
  data_size_bytes, duration_seconds, memory_peak_mb, cpu_percent, metadata)
SELECT
  e.position << 20,
  e.organization_id,
  CASE e.resource_type WHEN 'run' THEN e.resource_id ELSE (e.fields ->> 'run_id')::uuid END,
  CASE e.resource_type WHEN 'task_run' THEN e.resource_id END,
  coalesce((e.data ->> 'at')::timestamptz, e.at),
  e.data ->> 'node_id',
  (e.data ->> 'rows_input')::bigint,
  (e.data ->> 'rows_output')::bigint,
  (e.data ->> 'rows_filtered')::bigint,
  (e.data ->> 'rows_error')::bigint,
  (e.data ->> 'data_size_bytes')::bigint,
  (e.data ->> 'duration_seconds')::double precision,
  (e.data ->> 'memory_peak_mb')::double precision,
  (e.data ->> 'cpu_percent')::double precision,
  nullif(e.data -> 'metadata', 'null')
FROM staged_events AS e
WHERE e.event IN ('run.measured', 'task_run.measured');

-- section: remove
DELETE FROM daybook.run_metrics AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE t.run_id = (e ->> 'resource_id')::uuid;
