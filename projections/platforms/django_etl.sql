-- The schema of Django ETL: the tables of its models under their documented names, over the read models. Foreign keys end in
-- _id, as Django names them.
--
-- A row shows where its organization is of the platform django_etl and not deleted; a user where they are a member of one,
-- or a row of the platform names them.
-- Personal columns are NULL once they are erased, and to roles without a grant to read them; those that Django never keeps NULL
-- show as '!' then. Text that Django keeps empty rather than NULL is ''.

CREATE VIEW django_etl.organizations WITH (security_invoker = true) AS
SELECT
  o.id,
  o.name::varchar(255) AS name,
  o.slug::varchar(50) AS slug,
  o.settings,
  o.created_at,
  o.updated_at
FROM daybook.organizations AS o
WHERE o.platform = 'django_etl' AND o.deleted_at IS NULL;

CREATE VIEW django_etl.organization_memberships WITH (security_invoker = true) AS
SELECT
  m.id,
  m.user_id,
  m.organization_id,
  m.role::varchar(50) AS role,
  m.joined_at
FROM daybook.memberships AS m
JOIN django_etl.organizations AS o ON o.id = m.organization_id
WHERE m.deleted_at IS NULL;

-- Whom rows of the platform's organizations name, whether they are members or not.
CREATE OR REPLACE FUNCTION django_etl.named_people() RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT named.id FROM (
    SELECT created_by, organization_id FROM daybook.pipelines WHERE deleted_at IS NULL AND coalesce(kind, 'flow') = 'flow'
    UNION ALL
    SELECT created_by, organization_id FROM daybook.connections WHERE deleted_at IS NULL
    UNION ALL
    SELECT r.triggered_by, r.organization_id FROM daybook.runs AS r JOIN daybook.pipelines AS p ON p.id = r.pipeline_id
    WHERE r.deleted_at IS NULL AND coalesce(p.kind, 'flow') = 'flow'
  ) AS named (id, organization_id)
  WHERE named.organization_id IN (
    SELECT o.id FROM daybook.organizations AS o WHERE o.platform = 'django_etl' AND o.deleted_at IS NULL)
$$;

-- Members, and whoever else the platform's rows name: who has left, who was deleted, and the system. So every key leads
-- somewhere. Of who was deleted nothing personal shows.
-- What the document says is never NULL is a constant where there is no value, so that a condition on it is answered from
-- the index on the values. OFFSET 0 has PostgreSQL look for one person at a time, by indexes.
CREATE VIEW django_etl.auth_user WITH (security_invoker = true) AS
SELECT
  u.id,
  '!'::varchar(128) AS password,
  projector.last_login_at(u.id) AS last_login,
  u.is_superuser,
  coalesce(p.username, '!')::varchar(150) AS username,
  coalesce(p.first_name, '')::varchar(150) AS first_name,
  coalesce(p.last_name, '')::varchar(150) AS last_name,
  p.email::varchar(254) AS email,
  u.is_staff,
  u.is_active,
  u.created_at AS date_joined,
  coalesce(projector.preferences(u.id), '{}') AS preferences,
  projector.last_login_ip(u.id) AS last_login_ip,
  u.created_at,
  u.updated_at
FROM daybook.users AS u
JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NOT NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('django_etl')))
  OR EXISTS (SELECT FROM django_etl.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.id,
  '!'::varchar(128),
  projector.last_login_at(u.id),
  u.is_superuser,
  '!'::varchar(150),
  '!'::varchar(150),
  '!'::varchar(150),
  '!'::varchar(254),
  u.is_staff,
  u.is_active,
  u.created_at,
  coalesce(projector.preferences(u.id), '{}'),
  projector.last_login_ip(u.id),
  u.created_at,
  u.updated_at
FROM daybook.users AS u
LEFT JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('django_etl')))
  OR EXISTS (SELECT FROM django_etl.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.id,
  '!'::varchar(128),
  NULL::timestamptz,
  false,
  ('!' || u.id::text)::varchar(150),
  '!'::varchar(150),
  '!'::varchar(150),
  ('!' || u.id::text)::varchar(254),
  false,
  false,
  u.created_at,
  '{}'::jsonb,
  NULL::inet,
  u.created_at,
  u.updated_at
FROM daybook.users AS u
WHERE u.deleted_at IS NOT NULL AND EXISTS (SELECT FROM django_etl.named_people() AS n (id) WHERE n.id = u.id OFFSET 0)
UNION ALL
SELECT
  '00000000-0000-7000-8000-000000000001'::uuid,
  '!'::varchar(128),
  NULL::timestamptz,
  false,
  '!system'::varchar(150),
  ''::varchar(150),
  'Daybook'::varchar(150),
  '!system'::varchar(254),
  false,
  false,
  'epoch'::timestamptz,
  '{}'::jsonb,
  NULL::inet,
  'epoch'::timestamptz,
  'epoch'::timestamptz
WHERE EXISTS (SELECT FROM django_etl.named_people() AS n (id) WHERE n.id = '00000000-0000-7000-8000-000000000001'::uuid OFFSET 0);

CREATE VIEW django_etl.credentials WITH (security_invoker = true) AS
SELECT
  c.id,
  c.name::varchar(255) AS name,
  c.data AS encrypted_data,
  c.encryption_key_id::varchar(255) AS encryption_key_id,
  c.organization_id,
  c.created_at,
  c.expires_at
FROM daybook.credentials AS c
JOIN django_etl.organizations AS o ON o.id = c.organization_id
WHERE c.deleted_at IS NULL;

CREATE VIEW django_etl.connectors WITH (security_invoker = true) AS
SELECT
  c.id,
  c.name::varchar(255) AS name,
  c.type::varchar(50) AS connector_type,
  c.organization_id,
  c.created_by AS created_by_id,
  c.config,
  c.credential_id,
  c.is_active,
  c.created_at,
  c.updated_at
FROM daybook.connections AS c
JOIN django_etl.organizations AS o ON o.id = c.organization_id
WHERE c.deleted_at IS NULL;

CREATE VIEW django_etl.pipelines WITH (security_invoker = true) AS
SELECT
  p.id,
  p.name::varchar(255) AS name,
  coalesce(p.description, '') AS description,
  p.organization_id,
  p.created_by AS created_by_id,
  p.config,
  p.status::varchar(20) AS status,
  p.metadata,
  p.version_label::varchar(50) AS version,
  p.created_at,
  p.updated_at
FROM daybook.pipelines AS p
JOIN django_etl.organizations AS o ON o.id = p.organization_id
WHERE coalesce(p.kind, 'flow') = 'flow' AND p.deleted_at IS NULL;

-- Steps live inside their pipeline, and are versioned with it.
CREATE VIEW django_etl.pipeline_steps WITH (security_invoker = true) AS
SELECT
  (s.step ->> 'id')::uuid AS id,
  p.id AS pipeline_id,
  (s.step ->> 'name')::varchar(255) AS name,
  (s.step ->> 'order_index')::integer AS order_index,
  (s.step ->> 'step_type')::varchar(50) AS step_type,
  coalesce(s.step -> 'config', '{}') AS config,
  coalesce(s.step -> 'dependencies', '[]') AS dependencies,
  coalesce((s.step ->> 'is_parallel')::boolean, false) AS is_parallel,
  p.created_at
FROM daybook.pipelines AS p
JOIN django_etl.organizations AS o ON o.id = p.organization_id
CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(p.steps) WHEN 'array' THEN p.steps ELSE '[]' END) AS s (step)
WHERE coalesce(p.kind, 'flow') = 'flow' AND p.deleted_at IS NULL;

CREATE VIEW django_etl.pipeline_runs WITH (security_invoker = true) AS
SELECT
  r.id,
  r.pipeline_id,
  r.triggered_by AS triggered_by_id,
  r.status::varchar(20) AS status,
  -- auto_now_add: never NULL.
  coalesce(r.started_at, r.created_at) AS started_at,
  r.completed_at,
  r.context,
  r.metrics,
  coalesce(r.trigger_type, 'manual')::varchar(20) AS trigger_type
FROM daybook.runs AS r
JOIN daybook.pipelines AS p ON p.id = r.pipeline_id AND coalesce(p.kind, 'flow') = 'flow'
JOIN django_etl.organizations AS o ON o.id = r.organization_id
WHERE r.deleted_at IS NULL;

CREATE VIEW django_etl.task_runs WITH (security_invoker = true) AS
SELECT
  t.id,
  t.run_id AS pipeline_run_id,
  t.step_id AS pipeline_step_id,
  t.status::varchar(20) AS status,
  t.started_at,
  t.completed_at,
  t.input_data,
  t.output_data,
  coalesce(
    (SELECT string_agg(p.message, E'\n' ORDER BY l.at, l.id)
      FROM daybook.run_logs AS l JOIN personal.run_logs AS p USING (id)
      WHERE l.task_run_id = t.id),
    '') AS logs,
  t.metrics,
  t.retry_count
FROM daybook.task_runs AS t
JOIN django_etl.pipeline_runs AS r ON r.id = t.run_id
WHERE t.deleted_at IS NULL;

CREATE VIEW django_etl.alerts WITH (security_invoker = true) AS
SELECT
  a.id,
  a.run_id AS pipeline_run_id,
  a.task_run_id,
  a.level::varchar(20) AS level,
  a.alert_type::varchar(50) AS alert_type,
  a.message,
  a.context AS metadata,
  a.status IN ('resolved', 'closed') AS is_resolved,
  a.created_at,
  coalesce(a.resolved_at, a.closed_at) AS resolved_at
FROM daybook.alerts AS a
JOIN django_etl.organizations AS o ON o.id = a.organization_id
WHERE a.deleted_at IS NULL;

-- Only between task runs: lineage between datasets is daybook.lineage_edges.
CREATE VIEW django_etl.data_lineage WITH (security_invoker = true) AS
SELECT
  e.id,
  e.source_id AS source_task_id,
  e.target_id AS target_task_id,
  e.relationship_type::varchar(20) AS relationship_type,
  e.metadata,
  e.created_at
FROM daybook.lineage_edges AS e
JOIN django_etl.organizations AS o ON o.id = e.organization_id
JOIN daybook.task_runs AS s ON s.id = e.source_id
JOIN daybook.task_runs AS t ON t.id = e.target_id
WHERE e.deleted_at IS NULL;

COMMENT ON VIEW django_etl.auth_user IS
  'Members of the platform''s organizations, and whoever else its rows name. A password hash never leaves the service: it shows as !, Django''s unusable password.';
COMMENT ON VIEW django_etl.credentials IS 'encrypted_data is the sealed token; credential.reveal opens it.';
COMMENT ON VIEW django_etl.connectors IS 'Secret members of config are sealed: {"$sealed": …}.';
COMMENT ON VIEW django_etl.pipeline_steps IS 'The steps of each pipeline''s present version.';
COMMENT ON VIEW django_etl.task_runs IS 'logs are the messages of task_run.log, one a line, oldest first.';
