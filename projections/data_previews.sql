-- projection: data_previews
-- events: run.previewed
-- opens: data
-- removes: retention.swept, run.deleted
-- summary: Some rows at one node of a run, and what columns they have, one row a preview. data_previews (ETL Builder).

-- section: tables
CREATE TABLE daybook.data_previews (
  id              bigint PRIMARY KEY,
  organization_id uuid,
  run_id          uuid,
  node_id         varchar(100),
  row_count       bigint,
  column_count    integer,
  created_at      timestamptz,
  expires_at      timestamptz
);

-- What is previewed may name anyone: unlogged, so that no value ever enters the write-ahead log or a replica.
CREATE UNLOGGED TABLE personal.data_previews (
  id              bigint PRIMARY KEY,
  sample_data     jsonb,
  schema_info     jsonb,
  of_organization uuid,
  of_run          uuid,
  kept_until      timestamptz
);
CREATE INDEX data_previews_of_run ON personal.data_previews (of_run);

COMMENT ON TABLE daybook.data_previews IS
  'Some rows at one node of a run, and what columns they have, one row a preview.';
COMMENT ON COLUMN daybook.data_previews.id IS 'The position of the event × 2^20.';
COMMENT ON COLUMN daybook.data_previews.row_count IS 'How many rows the node had, as the run told it.';
COMMENT ON COLUMN daybook.data_previews.created_at IS 'When the event was recorded.';
COMMENT ON COLUMN daybook.data_previews.expires_at IS
  'Until when it is kept; NULL where nobody and no rule says. The next sweep takes it away; views leave it out at once.';
-- What goes with a run is found by it, also while a rebuild fills the table.
CREATE INDEX data_previews_run_id_node_id ON daybook.data_previews (run_id, node_id);

-- section: indexes
CREATE INDEX data_previews_expires_at ON daybook.data_previews (expires_at);
CREATE INDEX data_previews_organization_id ON daybook.data_previews (organization_id);

-- section: fill
INSERT INTO daybook.data_previews (
  id, organization_id, run_id, node_id, row_count, column_count, created_at, expires_at)
SELECT
  e.position << 20,
  e.organization_id,
  e.resource_id,
  e.data ->> 'node_id',
  (e.data ->> 'row_count')::bigint,
  (e.data ->> 'column_count')::integer,
  e.at,
  (e.data ->> 'expires_at')::timestamptz
FROM staged_events AS e
WHERE e.event = 'run.previewed';

-- section: fill opened
INSERT INTO personal.data_previews (id, sample_data, schema_info, of_organization, of_run, kept_until)
SELECT
  (e ->> 'position')::bigint << 20,
  e #> '{data,sample_data}',
  e #> '{data,schema_info}',
  (e ->> 'organization_id')::uuid,
  (e ->> 'resource_id')::uuid,
  greatest(coalesce((e #>> '{data,expires_at}')::timestamptz, 'infinity'), (e ->> 'at')::timestamptz)
FROM jsonb_array_elements($1::jsonb) AS e;

-- section: remove
DELETE FROM daybook.data_previews AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'retention.swept' AND e #>> '{data,class}' = 'previews'
  AND t.organization_id = (e ->> 'organization_id')::uuid
  AND greatest(coalesce(t.expires_at, 'infinity'), t.created_at) < (e #>> '{data,before}')::timestamptz
  AND t.id < (e ->> 'position')::bigint << 20;

DELETE FROM daybook.data_previews AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'run.deleted' AND t.run_id = (e ->> 'resource_id')::uuid;

DELETE FROM personal.data_previews AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'retention.swept' AND e #>> '{data,class}' = 'previews'
  AND t.of_organization = (e ->> 'organization_id')::uuid AND t.kept_until < (e #>> '{data,before}')::timestamptz
  AND t.id < (e ->> 'position')::bigint << 20;

DELETE FROM personal.data_previews AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e ->> 'event' = 'run.deleted' AND t.of_run = (e ->> 'resource_id')::uuid;
