-- Generated from schema/pipeline.yaml by tools/generate; only the indexes are written by hand.
-- projection: pipeline_versions
-- events: pipeline.*
-- opens: reason
-- summary: Every version of every pipeline, with all that is versioned as it then was. pipeline_versions (Data
--   Aggregator).

-- section: tables
CREATE TABLE daybook.pipeline_versions (
  id              bigint PRIMARY KEY,
  organization_id uuid,
  pipeline_id     uuid,
  version_number  integer,
  version_name    varchar(255),
  snapshot        jsonb,
  is_active       boolean,
  rolled_back_to  integer,
  created_by      uuid,
  created_at      timestamptz,
  position        bigint
);

-- The fill looks versions up by it, so it is there from the start.
CREATE UNIQUE INDEX pipeline_versions_pipeline_id_version_number
  ON daybook.pipeline_versions (pipeline_id, version_number);

-- The reason that was given: unlogged, so that no value ever enters the write-ahead log or a replica.
CREATE UNLOGGED TABLE personal.pipeline_versions (
  id                 bigint PRIMARY KEY,
  change_description text
);

COMMENT ON TABLE daybook.pipeline_versions IS
  'Every version of every pipeline, with all that is versioned as it then was. pipeline_versions (Data Aggregator).';
COMMENT ON COLUMN daybook.pipeline_versions.id IS 'The position of the event that made the version.';
COMMENT ON COLUMN daybook.pipeline_versions.version_number IS
  '1, 2, 3 … of the pipeline: a version is made only when content differs.';
COMMENT ON COLUMN daybook.pipeline_versions.version_name IS 'The name that was given to it later.';
COMMENT ON COLUMN daybook.pipeline_versions.snapshot IS 'All versioned fields that had a value, with their values.';
COMMENT ON COLUMN daybook.pipeline_versions.is_active IS 'Whether it is the pipeline''s latest version.';
COMMENT ON COLUMN daybook.pipeline_versions.rolled_back_to IS 'The version whose content a rollback brought back.';
COMMENT ON COLUMN daybook.pipeline_versions.created_by IS
  'The user who made it; the pipeline''s creator for version 1.';
COMMENT ON COLUMN personal.pipeline_versions.change_description IS 'The reason of the command that made the version.';

-- section: fill
-- snapshot_changes holds every versioned field that the events of this chunk have set up to the version;
-- snapshot_removed names those that they have cleared.
INSERT INTO daybook.pipeline_versions (
  id, organization_id, pipeline_id, version_number, snapshot, is_active, rolled_back_to, created_by, created_at,
  position)
SELECT
  e.position, e.organization_id, e.resource_id, e.version_number,
  coalesce(before.snapshot, '{}') - e.snapshot_removed || e.snapshot_changes,
  e.version_number = max(e.version_number) OVER (PARTITION BY e.resource_id),
  (e.data ->> 'rolled_back_to')::integer,
  coalesce(e.user_id, (e.changes #>> '{created_by,to}')::uuid),
  e.at, e.position
FROM staged_events AS e
LEFT JOIN LATERAL (
  SELECT v.snapshot FROM daybook.pipeline_versions AS v
  WHERE v.pipeline_id = e.resource_id
  ORDER BY v.version_number DESC LIMIT 1
) AS before ON true
WHERE e.resource_type = 'pipeline' AND e.version_number IS NOT NULL;

UPDATE daybook.pipeline_versions AS v
SET is_active = false
FROM (
  SELECT resource_id, max(version_number) AS latest FROM staged_events
  WHERE resource_type = 'pipeline' AND version_number IS NOT NULL GROUP BY resource_id
) AS e
WHERE v.pipeline_id = e.resource_id AND v.version_number < e.latest AND v.is_active;

UPDATE daybook.pipeline_versions AS v
SET version_name = e.name
FROM (
  SELECT DISTINCT ON (resource_id, data ->> 'version_number')
    resource_id, (data ->> 'version_number')::integer AS number, data ->> 'name' AS name
  FROM staged_events WHERE event = 'pipeline.version_named'
  ORDER BY resource_id, data ->> 'version_number', position DESC
) AS e
WHERE v.pipeline_id = e.resource_id AND v.version_number = e.number;

-- section: fill opened
INSERT INTO personal.pipeline_versions (id, change_description)
SELECT (e ->> 'position')::bigint, e ->> 'reason'
FROM jsonb_array_elements($1::jsonb) AS e
WHERE e ? 'version_number';

-- section: indexes
CREATE INDEX pipeline_versions_is_active ON daybook.pipeline_versions (is_active);
CREATE INDEX pipeline_versions_organization_id ON daybook.pipeline_versions (organization_id);
CREATE INDEX pipeline_versions_created_by ON daybook.pipeline_versions (created_by);
