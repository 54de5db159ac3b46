-- ETLab's tables under their documented names: views over the read models, with the reader's rights.
-- schema/platforms/etlab.yaml says where each column comes from.

-- Whom rows of the platform's organizations name, whether they are members or not.
CREATE OR REPLACE FUNCTION etlab.named_people() RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT named.id FROM (
    SELECT owner_id, organization_id FROM daybook.workspaces WHERE deleted_at IS NULL
    UNION ALL
    SELECT user_id, organization_id FROM daybook.workspace_members WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.connections
    WHERE deleted_at IS NULL AND type IN ('local', 'standalone', 'yarn', 'kubernetes', 'databricks', 'livy')
    UNION ALL
    SELECT coalesce(r.triggered_by, r.created_by), r.organization_id FROM daybook.runs AS r
    LEFT JOIN daybook.pipelines AS p ON p.id = r.pipeline_id
    WHERE r.deleted_at IS NULL AND (r.pipeline_id IS NULL OR p.kind = 'page')
  ) AS named (id, organization_id)
  WHERE named.organization_id IN (
    SELECT o.id FROM daybook.organizations AS o WHERE o.platform = 'etlab' AND o.deleted_at IS NULL)
$$;

-- Members, and whoever else the platform's rows name: who has left, who was deleted, and the system. So every key leads
-- somewhere. Of who was deleted nothing personal shows.
-- What the document says is never NULL is a constant where there is no value, so that a condition on it is answered from
-- the index on the values. OFFSET 0 has PostgreSQL look for one person at a time, by indexes.
CREATE VIEW etlab.users WITH (security_invoker = true) AS
SELECT
  u.id,
  p.email,
  '!'::varchar(255) AS password_hash,
  coalesce(p.display_name, p.full_name)::varchar(255) AS name,
  p.avatar_url,
  u.is_active,
  u.created_at AT TIME ZONE 'UTC' AS created_at,
  u.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.users AS u
JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NOT NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('etlab')))
  OR EXISTS (SELECT FROM etlab.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.id,
  '!'::varchar(255),
  '!'::varchar(255),
  NULL::varchar(255),
  NULL::varchar(500),
  u.is_active,
  u.created_at AT TIME ZONE 'UTC' AS created_at,
  u.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.users AS u
LEFT JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('etlab')))
  OR EXISTS (SELECT FROM etlab.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.id,
  ('!' || u.id::text)::varchar(255),
  '!'::varchar(255),
  NULL::varchar(255),
  NULL::varchar(500),
  false,
  u.created_at AT TIME ZONE 'UTC' AS created_at,
  u.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.users AS u
WHERE u.deleted_at IS NOT NULL AND EXISTS (SELECT FROM etlab.named_people() AS n (id) WHERE n.id = u.id OFFSET 0)
UNION ALL
SELECT
  '00000000-0000-7000-8000-000000000001'::uuid,
  '!system'::varchar(255),
  '!'::varchar(255),
  'Daybook'::varchar(255),
  NULL::varchar(500),
  false,
  'epoch'::timestamp,
  'epoch'::timestamp
WHERE EXISTS (SELECT FROM etlab.named_people() AS n (id) WHERE n.id = '00000000-0000-7000-8000-000000000001'::uuid OFFSET 0);

CREATE VIEW etlab.workspaces WITH (security_invoker = true) AS
SELECT w.id, w.name, w.description, w.owner_id, w.settings, w.created_at AT TIME ZONE 'UTC' AS created_at, w.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.workspaces AS w
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = w.organization_id
WHERE w.deleted_at IS NULL;

CREATE VIEW etlab.pages WITH (security_invoker = true) AS
SELECT
  p.id,
  p.workspace_id,
  p.name::varchar(255) AS name,
  p.description,
  p.nodes,
  p.edges,
  p.generated_code,
  p.metadata,
  p.created_at AT TIME ZONE 'UTC' AS created_at,
  p.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.pipelines AS p
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = p.organization_id
WHERE p.deleted_at IS NULL AND p.kind = 'page' AND p.workspace_id IS NOT NULL;

CREATE VIEW etlab.workspace_members WITH (security_invoker = true) AS
SELECT m.id, m.workspace_id, m.user_id, m.role, m.created_at AT TIME ZONE 'UTC' AS created_at
FROM daybook.workspace_members AS m
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = m.organization_id
WHERE m.deleted_at IS NULL;

-- Nobody can show a token: only its hash is kept. Another text stands in each row, as the column is UNIQUE.
CREATE VIEW etlab.workspace_share_links WITH (security_invoker = true) AS
SELECT s.id, s.workspace_id, ('!' || s.id::text)::varchar(255) AS token, s.role, s.expires_at AT TIME ZONE 'UTC' AS expires_at, s.is_active, s.created_at AT TIME ZONE 'UTC' AS created_at
FROM daybook.share_links AS s
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = s.organization_id
WHERE s.deleted_at IS NULL;

CREATE VIEW etlab.spark_connections WITH (security_invoker = true) AS
SELECT
  c.id,
  coalesce(c.owner_id, c.created_by) AS user_id,
  c.name,
  c.type AS connection_type,
  c.config,
  c.is_default,
  c.created_at AT TIME ZONE 'UTC' AS created_at,
  c.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.connections AS c
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = c.organization_id
WHERE c.deleted_at IS NULL
  AND c.type IN ('local', 'standalone', 'yarn', 'kubernetes', 'databricks', 'livy');

-- Words are looked up in a table rather than by CASE, so that a condition on the documented word finds the index on the
-- stored one.
-- The state timeout is none of this platform's; what was reported so from outside has failed.
CREATE VIEW etlab.execution_history WITH (security_invoker = true) AS
SELECT
  r.id,
  coalesce(r.triggered_by, r.created_by) AS user_id,
  r.pipeline_id AS page_id,
  r.connection_id,
  coalesce(r.code, v.snapshot ->> 'generated_code', p.generated_code, '') AS code,
  state.shown AS status,
  (
    SELECT string_agg(said.message, E'\n' ORDER BY l.at, l.id)
    FROM daybook.run_logs AS l
    JOIN personal.run_logs AS said USING (id)
    WHERE l.run_id = r.id
  ) AS logs,
  r.error_message AS error,
  r.result_summary,
  r.started_at AT TIME ZONE 'UTC' AS started_at,
  r.completed_at AT TIME ZONE 'UTC' AS completed_at,
  r.created_at AT TIME ZONE 'UTC' AS created_at
FROM daybook.runs AS r
JOIN (
  VALUES ('pending', 'pending'), ('running', 'running'), ('success', 'completed'), ('failed', 'failed'),
    ('cancelled', 'cancelled'), ('timeout', 'failed')
) AS state (stored, shown) ON state.stored = r.status
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = r.organization_id
LEFT JOIN daybook.pipelines AS p ON p.id = r.pipeline_id
LEFT JOIN daybook.pipeline_versions AS v ON v.pipeline_id = r.pipeline_id AND v.version_number = r.pipeline_version
WHERE r.deleted_at IS NULL
  AND (r.pipeline_id IS NULL OR p.kind = 'page');

CREATE VIEW etlab.schema_definitions WITH (security_invoker = true) AS
SELECT s.id, s.workspace_id, s.name, s.description, s.columns, s.created_at AT TIME ZONE 'UTC' AS created_at, s.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.schema_definitions AS s
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = s.organization_id
WHERE s.deleted_at IS NULL AND s.workspace_id IS NOT NULL;

CREATE VIEW etlab.dag_definitions WITH (security_invoker = true) AS
SELECT
  p.id,
  p.workspace_id,
  coalesce(p.dag_id, p.id::text)::varchar(255) AS dag_id,
  p.name::varchar(255) AS name,
  p.description,
  p.schedule,
  p.default_args,
  coalesce(p.tasks, '[]') AS tasks,
  p.edges,
  p.generated_code,
  coalesce(p.sync_status, 'pending') AS sync_status,
  p.last_synced_at AT TIME ZONE 'UTC' AS last_synced_at,
  p.created_at AT TIME ZONE 'UTC' AS created_at,
  p.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.pipelines AS p
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = p.organization_id
WHERE p.deleted_at IS NULL AND p.kind = 'dag' AND p.workspace_id IS NOT NULL;

-- The states cancelled and timeout are none of this platform's; what was reported so from outside has failed.
CREATE VIEW etlab.dag_executions WITH (security_invoker = true) AS
SELECT
  r.id,
  r.pipeline_id AS dag_definition_id,
  r.dag_run_id,
  state.shown AS status,
  r.task_states,
  r.started_at AT TIME ZONE 'UTC' AS started_at,
  r.completed_at AT TIME ZONE 'UTC' AS completed_at,
  r.error_message AS error,
  r.created_at AT TIME ZONE 'UTC' AS created_at
FROM daybook.runs AS r
JOIN (
  VALUES ('pending', 'queued'), ('running', 'running'), ('success', 'success'), ('failed', 'failed'),
    ('cancelled', 'failed'), ('timeout', 'failed')
) AS state (stored, shown) ON state.stored = r.status
JOIN projector.platform_organizations('etlab') AS o (id) ON o.id = r.organization_id
JOIN daybook.pipelines AS p ON p.id = r.pipeline_id
WHERE r.deleted_at IS NULL AND p.kind = 'dag';
