-- The schema of ETL/ELT Builder: its tables, views and function under their documented names, over the read models.
--
-- A row shows where its organization is of the platform etl_builder and not deleted; a user where they are a member of one,
-- or a row of the platform names them.
-- Personal columns are NULL once they are erased, and to roles without a grant to read them; those that the document says are
-- never NULL show as '!' then, as they do where nobody has given them.

CREATE VIEW etl_builder.organizations WITH (security_invoker = true) AS
SELECT
  o.id,
  o.name::varchar(255) AS name,
  o.slug::varchar(100) AS slug,
  o.description,
  o.settings,
  o.is_active,
  o.created_at,
  o.updated_at
FROM daybook.organizations AS o
WHERE o.platform = 'etl_builder' AND o.deleted_at IS NULL;

CREATE VIEW etl_builder.user_organizations WITH (security_invoker = true) AS
SELECT
  m.id,
  m.user_id,
  m.organization_id,
  m.role::varchar(50) AS role,
  m.joined_at
FROM daybook.memberships AS m
JOIN etl_builder.organizations AS o ON o.id = m.organization_id
WHERE m.deleted_at IS NULL;

-- Whom rows of the platform's organizations name, whether they are members or not.
CREATE OR REPLACE FUNCTION etl_builder.named_people() RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT named.id FROM (
    SELECT created_by, organization_id FROM daybook.pipelines WHERE deleted_at IS NULL AND coalesce(kind, 'flow') = 'flow'
    UNION ALL
    SELECT created_by, organization_id FROM daybook.connections WHERE deleted_at IS NULL
    UNION ALL
    SELECT r.triggered_by, r.organization_id FROM daybook.runs AS r JOIN daybook.pipelines AS p ON p.id = r.pipeline_id
    WHERE r.deleted_at IS NULL AND coalesce(p.kind, 'flow') = 'flow'
    UNION ALL
    SELECT created_by, organization_id FROM daybook.api_keys WHERE deleted_at IS NULL
    UNION ALL
    SELECT created_by, organization_id FROM daybook.module_templates WHERE deleted_at IS NULL
    UNION ALL
    SELECT user_id, organization_id FROM daybook.notifications WHERE deleted_at IS NULL
    UNION ALL
    SELECT user_id, organization_id FROM daybook.audit_trail
  ) AS named (id, organization_id)
  WHERE named.organization_id IN (
    SELECT o.id FROM daybook.organizations AS o WHERE o.platform = 'etl_builder' AND o.deleted_at IS NULL)
$$;

-- Members, and whoever else the platform's rows name: who has left, who was deleted, and the system. So every key leads
-- somewhere. Of who was deleted nothing personal shows.
-- What the document says is never NULL is a constant where there is no value, so that a condition on it is answered from
-- the index on the values. OFFSET 0 has PostgreSQL look for one person at a time, by indexes.
CREATE VIEW etl_builder.users WITH (security_invoker = true) AS
SELECT
  u.id,
  p.email,
  coalesce(p.username, '!')::varchar(100) AS username,
  '!'::varchar(255) AS password_hash,
  p.full_name,
  CASE WHEN u.role IN ('admin', 'developer') THEN u.role ELSE 'viewer' END::varchar(50) AS role,
  u.is_active,
  u.email_verified,
  u.created_at,
  u.updated_at,
  projector.last_login_at(u.id) AS last_login_at
FROM daybook.users AS u
JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NOT NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('etl_builder')))
  OR EXISTS (SELECT FROM etl_builder.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.id,
  '!'::varchar(255),
  '!'::varchar(100),
  '!'::varchar(255),
  NULL::varchar(255),
  CASE WHEN u.role IN ('admin', 'developer') THEN u.role ELSE 'viewer' END::varchar(50),
  u.is_active,
  u.email_verified,
  u.created_at,
  u.updated_at,
  projector.last_login_at(u.id)
FROM daybook.users AS u
LEFT JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('etl_builder')))
  OR EXISTS (SELECT FROM etl_builder.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.id,
  ('!' || u.id::text)::varchar(255),
  ('!' || u.id::text)::varchar(100),
  '!'::varchar(255),
  NULL::varchar(255),
  'viewer'::varchar(50),
  false,
  false,
  u.created_at,
  u.updated_at,
  NULL::timestamptz
FROM daybook.users AS u
WHERE u.deleted_at IS NOT NULL AND EXISTS (SELECT FROM etl_builder.named_people() AS n (id) WHERE n.id = u.id OFFSET 0)
UNION ALL
SELECT
  '00000000-0000-7000-8000-000000000001'::uuid,
  '!system'::varchar(255),
  '!system'::varchar(100),
  '!'::varchar(255),
  'Daybook'::varchar(255),
  'viewer'::varchar(50),
  false,
  false,
  'epoch'::timestamptz,
  'epoch'::timestamptz,
  NULL::timestamptz
WHERE EXISTS (SELECT FROM etl_builder.named_people() AS n (id) WHERE n.id = '00000000-0000-7000-8000-000000000001'::uuid OFFSET 0);

CREATE VIEW etl_builder.connections WITH (security_invoker = true) AS
SELECT
  c.id,
  c.organization_id,
  c.created_by,
  c.name::varchar(255) AS name,
  c.type::varchar(100) AS type,
  c.description,
  c.config,
  c.is_active,
  c.last_tested_at,
  c.last_test_status::varchar(50) AS last_test_status,
  c.last_test_message,
  c.created_at,
  c.updated_at
FROM daybook.connections AS c
JOIN etl_builder.organizations AS o ON o.id = c.organization_id
WHERE c.deleted_at IS NULL;

CREATE VIEW etl_builder.pipelines WITH (security_invoker = true) AS
SELECT
  p.id,
  p.organization_id,
  p.created_by,
  p.name::varchar(255) AS name,
  p.description,
  p.version_label::varchar(20) AS version,
  CASE
    WHEN jsonb_typeof(p.config) <> 'object' OR (p.nodes IS NULL AND p.edges IS NULL) THEN p.config
    -- Nodes and edges that were given as fields of their own are part of the documented configuration.
    ELSE p.config
      || CASE WHEN p.nodes IS NULL THEN '{}' ELSE jsonb_build_object('nodes', p.nodes) END
      || CASE WHEN p.edges IS NULL THEN '{}' ELSE jsonb_build_object('edges', p.edges) END
  END AS config,
  -- A schedule that is no text is an object.
  (p.schedule #>> '{}')::varchar(100) AS schedule,
  p.is_scheduled,
  p.status::varchar(50) AS status,
  p.tags,
  p.default_params,
  p.created_at,
  p.updated_at,
  p.published_at
FROM daybook.pipelines AS p
JOIN etl_builder.organizations AS o ON o.id = p.organization_id
WHERE coalesce(p.kind, 'flow') = 'flow' AND p.deleted_at IS NULL;

CREATE VIEW etl_builder.pipeline_executions WITH (security_invoker = true) AS
SELECT
  r.id,
  r.pipeline_id,
  r.dag_id::varchar(255) AS dag_id,
  r.dag_run_id::varchar(255) AS dag_run_id,
  r.triggered_by,
  coalesce(r.trigger_type, 'manual')::varchar(50) AS trigger_type,
  state.shown::varchar(50) AS status,
  r.started_at,
  r.completed_at,
  projector.fitted(r.duration_seconds) AS duration_seconds,
  r.params,
  r.result,
  r.error_message,
  projector.fitted(r.rows_processed) AS rows_processed,
  r.data_size_bytes,
  r.created_at
FROM daybook.runs AS r
-- Words stand in a table, so that a condition on the documented type finds the index on the stored one.
JOIN (
  VALUES ('pending', 'pending'), ('running', 'running'), ('success', 'success'), ('failed', 'failed'),
    ('cancelled', 'cancelled'), ('timeout', 'timeout')
) AS state (stored, shown) ON state.stored = r.status
JOIN daybook.pipelines AS p ON p.id = r.pipeline_id AND coalesce(p.kind, 'flow') = 'flow'
JOIN etl_builder.organizations AS o ON o.id = r.organization_id
WHERE r.deleted_at IS NULL;

CREATE VIEW etl_builder.execution_logs WITH (security_invoker = true) AS
SELECT
  l.id,
  l.run_id AS execution_id,
  l.node_id::varchar(100) AS node_id,
  l.at AS timestamp,
  l.level::varchar(20) AS level,
  coalesce(p.message, '!') AS message,
  p.metadata
FROM daybook.run_logs AS l
LEFT JOIN personal.run_logs AS p USING (id)
JOIN etl_builder.pipeline_executions AS e ON e.id = l.run_id;

CREATE VIEW etl_builder.node_metrics WITH (security_invoker = true) AS
SELECT
  m.id,
  m.run_id AS execution_id,
  m.node_id::varchar(100) AS node_id,
  m.at AS timestamp,
  projector.fitted(m.rows_input) AS rows_input,
  projector.fitted(m.rows_output) AS rows_output,
  projector.fitted(m.rows_filtered) AS rows_filtered,
  projector.fitted(m.rows_error) AS rows_error,
  m.data_size_bytes,
  m.duration_seconds,
  m.memory_peak_mb,
  m.cpu_percent,
  m.metadata
FROM daybook.run_metrics AS m
JOIN etl_builder.pipeline_executions AS e ON e.id = m.run_id;

CREATE VIEW etl_builder.api_keys WITH (security_invoker = true) AS
SELECT
  k.id,
  k.organization_id,
  k.created_by,
  k.name::varchar(255) AS name,
  ('!' || k.id::text)::varchar(255) AS key_hash,
  k.key_prefix::varchar(20) AS key_prefix,
  k.permissions,
  k.is_active,
  k.expires_at,
  k.last_used_at,
  k.created_at
FROM daybook.api_keys AS k
JOIN etl_builder.organizations AS o ON o.id = k.organization_id
WHERE k.deleted_at IS NULL;

-- What was done to deleted things stays to be read; so it asks for no living organization. A user belongs to no organization:
-- what was done to one shows where they are a member of one of the platform's, and up to the end of a membership that has
-- ended. Row-level security shows such rows to nobody but the owner of the database.
CREATE VIEW etl_builder.audit_trail WITH (security_invoker = true) AS
SELECT
  a.id,
  a.at AS timestamp,
  a.user_id,
  a.organization_id,
  a.action::varchar(100) AS action,
  a.resource_type::varchar(100) AS resource_type,
  a.resource_id,
  p.ip AS ip_address,
  p.user_agent,
  a.changes,
  jsonb_strip_nulls(jsonb_build_object(
    'event', a.event, 'event_id', a.event_id, 'actor', a.actor, 'version', a.version, 'reason', p.reason,
    'correlation', a.correlation, 'causation', a.causation)) AS metadata
FROM (
  SELECT a.* FROM daybook.audit_trail AS a
  JOIN daybook.organizations AS o ON o.id = a.organization_id AND o.platform = 'etl_builder'
  UNION ALL
  SELECT a.* FROM daybook.audit_trail AS a
  WHERE a.organization_id IS NULL AND a.resource_type = 'user'
    AND EXISTS (
      SELECT FROM daybook.memberships AS m
      JOIN daybook.organizations AS o ON o.id = m.organization_id AND o.platform = 'etl_builder'
      WHERE m.user_id = a.resource_id AND (m.deleted_at IS NULL OR a.at <= m.deleted_at))
) AS a
LEFT JOIN personal.audit_trail AS p USING (id);

CREATE VIEW etl_builder.notifications WITH (security_invoker = true) AS
SELECT
  n.id,
  n.user_id,
  n.organization_id,
  n.type::varchar(50) AS type,
  n.title::varchar(255) AS title,
  n.message,
  n.resource_type::varchar(100) AS resource_type,
  n.resource_id,
  n.is_read,
  n.read_at,
  n.created_at
FROM daybook.notifications AS n
JOIN etl_builder.organizations AS o ON o.id = n.organization_id
WHERE n.deleted_at IS NULL;

-- Templates of no organization are everybody's; only this platform has module templates.
CREATE VIEW etl_builder.module_templates WITH (security_invoker = true) AS
SELECT
  t.id,
  t.organization_id,
  t.created_by,
  t.name::varchar(255) AS name,
  t.description,
  t.category::varchar(100) AS category,
  t.type::varchar(100) AS type,
  t.config_schema,
  t.default_config,
  t.icon::varchar(100) AS icon,
  t.color::varchar(20) AS color,
  t.is_public,
  t.is_active,
  projector.fitted(t.use_count) AS usage_count,
  t.created_at,
  t.updated_at
FROM daybook.module_templates AS t
WHERE t.deleted_at IS NULL
  AND (t.organization_id IS NULL OR t.organization_id IN (SELECT o.id FROM etl_builder.organizations AS o));

CREATE VIEW etl_builder.data_previews WITH (security_invoker = true) AS
SELECT
  -- A UUID of version 8 that holds the row's number.
  ('00000000-0000-8' || left(h.digits, 3) || '-8' || substr(h.digits, 4, 3) || '-' || right(h.digits, 12))::uuid AS id,
  d.run_id AS execution_id,
  d.node_id::varchar(100) AS node_id,
  p.sample_data,
  coalesce(p.schema_info, '{}') AS schema_info,
  projector.fitted(d.row_count) AS row_count,
  d.column_count,
  d.created_at,
  d.expires_at
FROM daybook.data_previews AS d
LEFT JOIN personal.data_previews AS p USING (id)
CROSS JOIN LATERAL (SELECT lpad(to_hex(d.id), 18, '0') AS digits) AS h
JOIN etl_builder.pipeline_executions AS e ON e.id = d.run_id
WHERE d.expires_at IS NULL OR d.expires_at > now();

CREATE VIEW etl_builder.pipelines_with_last_execution WITH (security_invoker = true) AS
SELECT
  p.id,
  p.name,
  p.status,
  p.schedule,
  p.organization_id,
  p.created_by,
  p.created_at,
  p.updated_at,
  e.id AS last_execution_id,
  e.status AS last_execution_status,
  e.started_at AS last_execution_started,
  e.completed_at AS last_execution_completed,
  e.rows_processed AS last_execution_rows
FROM etl_builder.pipelines AS p
LEFT JOIN LATERAL (
  SELECT x.id, x.status, x.started_at, x.completed_at, x.rows_processed
  FROM etl_builder.pipeline_executions AS x
  WHERE x.pipeline_id = p.id
  -- Of several that one commit recorded, the one that was made last.
  ORDER BY x.created_at DESC, (SELECT r.number FROM daybook.runs AS r WHERE r.id = x.id) DESC
  LIMIT 1
) AS e ON true
WHERE p.status IN ('active', 'paused');

-- The documented counts, each counted by itself: the printed joins give the same, but multiply pipelines, connections and
-- executions of a user with each other first.
CREATE VIEW etl_builder.user_statistics WITH (security_invoker = true) AS
SELECT
  u.id,
  u.username,
  u.email,
  coalesce(p.pipeline_count, 0) AS pipeline_count,
  coalesce(c.connection_count, 0) AS connection_count,
  coalesce(e.execution_count, 0) AS execution_count,
  e.last_execution_date
FROM etl_builder.users AS u
LEFT JOIN (
  SELECT x.created_by, count(*) AS pipeline_count FROM etl_builder.pipelines AS x GROUP BY x.created_by
) AS p ON p.created_by = u.id
LEFT JOIN (
  SELECT x.created_by, count(*) AS connection_count FROM etl_builder.connections AS x GROUP BY x.created_by
) AS c ON c.created_by = u.id
LEFT JOIN (
  SELECT x.created_by, count(*) AS execution_count, max(y.started_at) AS last_execution_date
  FROM etl_builder.pipelines AS x
  JOIN etl_builder.pipeline_executions AS y ON y.pipeline_id = x.id
  GROUP BY x.created_by
) AS e ON e.created_by = u.id;

-- Deletes nothing: the log decides, so the command retention.sweep does, and the timer of the server. It says how much the next
-- sweep takes, as a notice each: by the document's periods or, where an organization or the service has a policy, by that.
CREATE OR REPLACE FUNCTION etl_builder.cleanup_expired_data() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  due record;
BEGIN
  FOR due IN
    WITH period AS (
      SELECT
        o.id AS organization_id,
        c.class,
        CASE
          WHEN own.id IS NULL THEN coalesce(everywhere.keep_hours, c.hours)
          WHEN own.by_administrator THEN own.keep_hours
          WHEN c.class = 'audit' THEN greatest(own.keep_hours, coalesce(everywhere.keep_hours, c.floor))
          ELSE greatest(own.keep_hours, least(everywhere.keep_hours, c.floor))
        END AS hours
      FROM etl_builder.organizations AS o
      CROSS JOIN (VALUES ('runs', 2160, 1), ('logs', 720, 168), ('audit', 4320, 4320)) AS c (class, hours, floor)
      LEFT JOIN daybook.retention_policies AS own
        ON own.organization_id = o.id AND own.class = c.class AND own.is_active IS NOT FALSE AND own.deleted_at IS NULL
      LEFT JOIN daybook.retention_policies AS everywhere
        ON everywhere.organization_id IS NULL AND everywhere.class = c.class AND everywhere.is_active IS NOT FALSE
        AND everywhere.deleted_at IS NULL
    ), cut AS (
      -- A sweep takes what is older than a whole day, or hour.
      SELECT
        p.organization_id,
        p.class,
        date_trunc(
          CASE WHEN p.hours < 48 THEN 'hour' ELSE 'day' END, now() - make_interval(hours => p.hours), 'UTC') AS before,
        coalesce((
          SELECT max(r.through) FROM daybook.retentions AS r
          WHERE r.organization_id = p.organization_id AND r.class = p.class), 0) AS through
      FROM period AS p
    )
    SELECT 'data_previews' AS what, count(*) AS rows, 'lets them go' AS does FROM daybook.data_previews AS d
    JOIN etl_builder.pipeline_executions AS e ON e.id = d.run_id
    WHERE greatest(d.expires_at, d.created_at) < date_trunc('hour', now()) AND d.expires_at IS NOT NULL
    UNION ALL
    SELECT 'pipeline_executions', count(*), 'lets them go' FROM etl_builder.pipeline_executions AS e
    JOIN daybook.runs AS r ON r.id = e.id
    JOIN cut AS c ON c.organization_id = r.organization_id AND c.class = 'runs'
    WHERE e.created_at < c.before AND e.status IN ('success', 'failed')
    UNION ALL
    SELECT 'execution_logs', count(*), 'lets them go' FROM etl_builder.execution_logs AS l
    JOIN daybook.runs AS r ON r.id = l.execution_id
    JOIN cut AS c ON c.organization_id = r.organization_id AND c.class = 'logs'
    WHERE l.timestamp < c.before
    UNION ALL
    SELECT 'audit_trail', count(*), 'archives them' FROM etl_builder.audit_trail AS a
    JOIN cut AS c ON c.organization_id = a.organization_id AND c.class = 'audit'
    WHERE a.timestamp < c.before AND a.id > c.through
  LOOP
    RAISE NOTICE '%: % rows are due; the command retention.sweep %, but for what a legal hold keeps.',
      due.what, due.rows, due.does;
  END LOOP;
END $$;

COMMENT ON VIEW etl_builder.users IS
  'Members of the platform''s organizations, and whoever else its rows name. A password hash never leaves the service: it '
  'shows as !.';
COMMENT ON VIEW etl_builder.connections IS 'Secret members of config are sealed: {"$sealed": …}.';
COMMENT ON VIEW etl_builder.api_keys IS
  'A key''s hash never leaves the service: in its place stands ! and the key''s id, another in each row.';
COMMENT ON VIEW etl_builder.audit_trail IS
  'Every event of the platform''s organizations and of their members; metadata has its name, its reason and what it belongs to.';
COMMENT ON VIEW etl_builder.data_previews IS 'Previews that have not expired.';
COMMENT ON FUNCTION etl_builder.cleanup_expired_data() IS
  'Says what the next retention.sweep takes; deletes nothing itself.';
