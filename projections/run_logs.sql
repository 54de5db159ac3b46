-- projection: run_logs
-- events: run.logged, task_run.logged
-- opens: data
-- needs: run_id
-- removes: retention.swept, run.deleted
-- partitioned: at
-- summary: The log lines of runs and of their tasks, one row a line. execution_logs (ETL Builder).

-- section: tables
CREATE TABLE daybook.run_logs (
  id              bigint,
  organization_id uuid,
  run_id          uuid,
  task_run_id     uuid,
  at              timestamptz,
  level           varchar(20),
  node_id         varchar(100),
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

-- What a line says may name anyone: unlogged, so that no value ever enters the write-ahead log or a replica.
CREATE UNLOGGED TABLE personal.run_logs (
  id              bigint PRIMARY KEY,
  message         text,
  metadata        jsonb,
  of_organization uuid,
  of_run          uuid,
  of_time         timestamptz
);
CREATE INDEX run_logs_of_run ON personal.run_logs (of_run);

COMMENT ON TABLE daybook.run_logs IS 'The log lines of runs and of their tasks, one row a line.';
COMMENT ON COLUMN daybook.run_logs.id IS 'The position of the event × 2^20 + the line''s place in it, from 0.';
COMMENT ON COLUMN daybook.run_logs.task_run_id IS 'The task that logged it, where it was a task.';
COMMENT ON COLUMN daybook.run_logs.at IS 'The line''s own time, or the event''s where the line has none.';
COMMENT ON COLUMN daybook.run_logs.level IS 'One of DEBUG, INFO, WARNING, ERROR, CRITICAL.';

-- What goes with a run is found by it, also while a rebuild fills the table.
CREATE INDEX run_logs_run_id_at ON daybook.run_logs (run_id, at DESC);

-- section: indexes
CREATE INDEX run_logs_task_run_id ON daybook.run_logs (task_run_id);
CREATE INDEX run_logs_at ON daybook.run_logs (at DESC);
CREATE INDEX run_logs_level ON daybook.run_logs (level);
CREATE INDEX run_logs_organization_id ON daybook.run_logs (organization_id);

-- section: fill opened
INSERT INTO daybook.run_logs (id, organization_id, run_id, task_run_id, at, level, node_id)
SELECT
  ((e ->> 'position')::bigint << 20) + line.place - 1,
  (e ->> 'organization_id')::uuid,
  (CASE e ->> 'resource_type' WHEN 'run' THEN e ->> 'resource_id' ELSE e #>> '{fields,run_id}' END)::uuid,
  (CASE e ->> 'resource_type' WHEN 'task_run' THEN e ->> 'resource_id' END)::uuid,
  coalesce(line.value ->> 'at', e #>> '{data,at}', e ->> 'at')::timestamptz,
  coalesce(line.value ->> 'level', 'INFO'),
  line.value ->> 'node_id'
FROM jsonb_array_elements($1::jsonb) AS e
CROSS JOIN LATERAL jsonb_array_elements(
  CASE jsonb_typeof(e #> '{data,lines}') WHEN 'array' THEN e #> '{data,lines}' ELSE '[]' END
) WITH ORDINALITY AS line (value, place);

INSERT INTO personal.run_logs (id, message, metadata, of_organization, of_run, of_time)
SELECT
  ((e ->> 'position')::bigint << 20) + line.place - 1,
  line.value ->> 'message',
  nullif(line.value -> 'metadata', 'null'),
  (e ->> 'organization_id')::uuid,
  (CASE e ->> 'resource_type' WHEN 'run' THEN e ->> 'resource_id' ELSE e #>> '{fields,run_id}' END)::uuid,
  coalesce(line.value ->> 'at', e #>> '{data,at}', e ->> 'at')::timestamptz
FROM jsonb_array_elements($1::jsonb) AS e
CROSS JOIN LATERAL jsonb_array_elements(
  CASE jsonb_typeof(e #> '{data,lines}') WHEN 'array' THEN e #> '{data,lines}' ELSE '[]' END
) WITH ORDINALITY AS line (value, place);

-- section: remove
DELETE FROM daybook.run_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'retention.swept' AND e #>> '{data,class}' = 'logs'
  AND t.organization_id = (e ->> 'organization_id')::uuid AND t.id < ((e #>> '{data,through}')::bigint + 1) << 20
  AND e #>> '{data,age}' IS NULL;

-- By the time that each line has of its own.
DELETE FROM daybook.run_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'retention.swept' AND e #>> '{data,class}' = 'logs' AND e #>> '{data,age}' = 'line'
  AND t.organization_id = (e ->> 'organization_id')::uuid AND t.at < (e #>> '{data,before}')::timestamptz
  AND t.id < (e ->> 'position')::bigint << 20;

DELETE FROM daybook.run_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'run.deleted' AND t.run_id = (e ->> 'resource_id')::uuid;

DELETE FROM personal.run_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'retention.swept' AND e #>> '{data,class}' = 'logs'
  AND t.of_organization = (e ->> 'organization_id')::uuid AND t.id < ((e #>> '{data,through}')::bigint + 1) << 20
  AND e #>> '{data,age}' IS NULL;

-- By the time that each line has of its own.
DELETE FROM personal.run_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'retention.swept' AND e #>> '{data,class}' = 'logs' AND e #>> '{data,age}' = 'line'
  AND t.of_organization = (e ->> 'organization_id')::uuid AND t.of_time < (e #>> '{data,before}')::timestamptz
  AND t.id < (e ->> 'position')::bigint << 20;

DELETE FROM personal.run_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'run.deleted' AND t.of_run = (e ->> 'resource_id')::uuid;
