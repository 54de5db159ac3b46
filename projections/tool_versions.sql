-- Generated from schema/tool.yaml by tools/generate; only the indexes are written by hand.
-- projection: tool_versions
-- events: tool.*
-- summary: Every version of every tool, with all that is versioned as it then was. tool_versions (MecaPy).

-- section: tables
CREATE TABLE daybook.tool_versions (
  id              bigint PRIMARY KEY,
  organization_id uuid,
  tool_id         uuid,
  version_number  integer,
  name            varchar(100),
  display_name    varchar(200),
  description     varchar(2000),
  version_label   varchar(20),
  code_template   varchar(10000),
  docker_image    varchar(200),
  memory_limit    integer,
  cpu_limit       double precision,
  timeout         integer,
  is_active       boolean,
  rolled_back_to  integer,
  created_by      uuid,
  created_at      timestamptz,
  position        bigint
);

-- The fill looks versions up by it, so it is there from the start.
CREATE UNIQUE INDEX tool_versions_tool_id_version_number
  ON daybook.tool_versions (tool_id, version_number);

COMMENT ON TABLE daybook.tool_versions IS
  'Every version of every tool, with all that is versioned as it then was. tool_versions (MecaPy).';
COMMENT ON COLUMN daybook.tool_versions.id IS 'The position of the event that made the version × 2^20.';
COMMENT ON COLUMN daybook.tool_versions.version_number IS
  '1, 2, 3 … of the tool: a version is made only when content differs.';
COMMENT ON COLUMN daybook.tool_versions.version_label IS 'The version''s name as its author gave it.';
COMMENT ON COLUMN daybook.tool_versions.memory_limit IS 'In MB.';
COMMENT ON COLUMN daybook.tool_versions.cpu_limit IS 'In cores.';
COMMENT ON COLUMN daybook.tool_versions.timeout IS 'In seconds.';
COMMENT ON COLUMN daybook.tool_versions.is_active IS 'Whether it is the tool''s latest version.';
COMMENT ON COLUMN daybook.tool_versions.rolled_back_to IS 'The version whose content a rollback brought back.';
COMMENT ON COLUMN daybook.tool_versions.created_by IS 'The user who made it; the tool''s creator for version 1.';

-- section: fill
-- snapshot_changes holds every versioned field that the events of this chunk have set up to the version;
-- snapshot_removed names those that they have cleared.
INSERT INTO daybook.tool_versions (
  id, organization_id, tool_id, version_number, name, display_name, description, version_label, code_template,
  docker_image, memory_limit, cpu_limit, timeout, is_active, rolled_back_to, created_by, created_at, position)
SELECT
  e.position << 20, e.organization_id, e.resource_id, e.version_number,
  s.name, s.display_name, s.description, s.version_label, s.code_template, s.docker_image, s.memory_limit, s.cpu_limit,
  s.timeout,
  e.version_number = max(e.version_number) OVER (PARTITION BY e.resource_id),
  (e.data ->> 'rolled_back_to')::integer,
  coalesce(e.user_id, (e.changes #>> '{created_by,to}')::uuid),
  e.at, e.position
FROM staged_events AS e
LEFT JOIN LATERAL (
  SELECT to_jsonb(v) AS snapshot FROM daybook.tool_versions AS v
  WHERE v.tool_id = e.resource_id
  ORDER BY v.version_number DESC LIMIT 1
) AS before ON true
CROSS JOIN LATERAL jsonb_to_record(coalesce(before.snapshot, '{}') - e.snapshot_removed || e.snapshot_changes) AS s (
  name text, display_name text, description text, version_label text, code_template text, docker_image text,
  memory_limit integer, cpu_limit double precision, timeout integer)
WHERE e.resource_type = 'tool' AND e.version_number IS NOT NULL;

UPDATE daybook.tool_versions AS v
SET is_active = false
FROM (
  SELECT resource_id, max(version_number) AS latest FROM staged_events
  WHERE resource_type = 'tool' AND version_number IS NOT NULL GROUP BY resource_id
) AS e
WHERE v.tool_id = e.resource_id AND v.version_number < e.latest AND v.is_active;

-- section: indexes
CREATE INDEX tool_versions_organization_id ON daybook.tool_versions (organization_id);
CREATE INDEX tool_versions_created_at ON daybook.tool_versions (created_at);
CREATE INDEX tool_versions_created_by ON daybook.tool_versions (created_by);
