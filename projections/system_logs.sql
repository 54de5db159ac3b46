-- projection: system_logs
-- events: system.logged
-- opens: data
-- removes: retention.swept
-- partitioned: at
-- summary: What programs logged about themselves, one row a line. system_logs (Data Aggregator).

-- section: tables
CREATE TABLE daybook.system_logs (
  id              bigint,
  organization_id uuid,
  at              timestamptz,
  level           varchar(20),
  logger_name     varchar(255),
  module          varchar(255),
  function_name   varchar(255),
  line_number     integer,
  correlation_id  varchar(100),
  user_id         uuid,
  request_id      varchar(100),
  request_method  varchar(10),
  duration_ms     integer,
  memory_usage_mb double precision,
  exception_type  varchar(255),
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);

-- What a line says may name anyone: unlogged, so that no value ever enters the write-ahead log or a replica.
CREATE UNLOGGED TABLE personal.system_logs (
  id                bigint PRIMARY KEY,
  message           text,
  request_path      varchar(500),
  request_ip        inet,
  exception_message text,
  stack_trace       text,
  extra_data        jsonb,
  of_organization   uuid
);

COMMENT ON TABLE daybook.system_logs IS
  'What programs logged about themselves, one row a line. system_logs (Data Aggregator).';
COMMENT ON COLUMN daybook.system_logs.id IS 'The position of the event × 2^20 + the line''s place in it, from 0.';
COMMENT ON COLUMN daybook.system_logs.organization_id IS 'NULL for lines of the service as a whole.';
COMMENT ON COLUMN daybook.system_logs.at IS 'The line''s own time, or the event''s where the line has none.';
COMMENT ON COLUMN daybook.system_logs.level IS 'One of DEBUG, INFO, WARNING, ERROR, CRITICAL.';
COMMENT ON COLUMN daybook.system_logs.user_id IS 'Whom the line is about, as the program told it.';

-- section: indexes
CREATE INDEX system_logs_organization_id_at ON daybook.system_logs (organization_id, at DESC);
CREATE INDEX system_logs_at ON daybook.system_logs (at DESC);
CREATE INDEX system_logs_level ON daybook.system_logs (level);
CREATE INDEX system_logs_correlation_id ON daybook.system_logs (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX system_logs_user_id ON daybook.system_logs (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX system_logs_at_in_utc ON daybook.system_logs ((at AT TIME ZONE 'UTC'));

-- section: fill opened
INSERT INTO daybook.system_logs (
  id, organization_id, at, level, logger_name, module, function_name, line_number, correlation_id, user_id, request_id,
  request_method, duration_ms, memory_usage_mb, exception_type)
SELECT
  ((e ->> 'position')::bigint << 20) + line.place - 1,
  (e ->> 'organization_id')::uuid,
  coalesce(line.value ->> 'at', e ->> 'at')::timestamptz,
  coalesce(line.value ->> 'level', 'INFO'),
  line.value ->> 'logger_name',
  line.value ->> 'module',
  line.value ->> 'function_name',
  (line.value ->> 'line_number')::integer,
  line.value ->> 'correlation_id',
  (line.value ->> 'user_id')::uuid,
  line.value ->> 'request_id',
  line.value ->> 'request_method',
  (line.value ->> 'duration_ms')::integer,
  (line.value ->> 'memory_usage_mb')::double precision,
  line.value ->> 'exception_type'
FROM jsonb_array_elements($1::jsonb) AS e
CROSS JOIN LATERAL jsonb_array_elements(
  CASE jsonb_typeof(e #> '{data,lines}') WHEN 'array' THEN e #> '{data,lines}' ELSE '[]' END
) WITH ORDINALITY AS line (value, place);

INSERT INTO personal.system_logs (
  id, message, request_path, request_ip, exception_message, stack_trace, extra_data, of_organization)
SELECT
  ((e ->> 'position')::bigint << 20) + line.place - 1,
  line.value ->> 'message',
  line.value ->> 'request_path',
  (line.value ->> 'request_ip')::inet,
  line.value ->> 'exception_message',
  line.value ->> 'stack_trace',
  nullif(line.value -> 'extra_data', 'null'),
  (e ->> 'organization_id')::uuid
FROM jsonb_array_elements($1::jsonb) AS e
CROSS JOIN LATERAL jsonb_array_elements(
  CASE jsonb_typeof(e #> '{data,lines}') WHEN 'array' THEN e #> '{data,lines}' ELSE '[]' END
) WITH ORDINALITY AS line (value, place);

-- section: remove
DELETE FROM daybook.system_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e #>> '{data,class}' = 'system_logs'
  AND t.organization_id IS NOT DISTINCT FROM (e ->> 'organization_id')::uuid
  AND t.id < ((e #>> '{data,through}')::bigint + 1) << 20;

DELETE FROM personal.system_logs AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e #>> '{data,class}' = 'system_logs'
  AND t.of_organization IS NOT DISTINCT FROM (e ->> 'organization_id')::uuid
  AND t.id < ((e #>> '{data,through}')::bigint + 1) << 20;
