-- The Data Aggregator Platform's tables under their documented names: views over the read models, with the reader's rights.
-- Integer keys are the resources' numbers. schema/platforms/data_aggregator.yaml says where each column comes from.

-- Whom rows of the platform's organizations name, whether they are members or not.
CREATE OR REPLACE FUNCTION data_aggregator.named_people() RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT named.id FROM (
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.pipelines WHERE deleted_at IS NULL AND coalesce(kind, 'flow') = 'flow'
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.connections WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.transformations WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.pipeline_templates WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.transformation_functions WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.schema_mappings WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.files WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.alert_rules WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(owner_id, created_by), organization_id FROM daybook.escalation_policies WHERE deleted_at IS NULL
    UNION ALL
    SELECT coalesce(user_id, created_by), organization_id FROM daybook.dashboards WHERE deleted_at IS NULL
    UNION ALL
    SELECT user_id, organization_id FROM daybook.user_preferences WHERE deleted_at IS NULL
    UNION ALL
    SELECT acknowledged_by, organization_id FROM daybook.alerts WHERE deleted_at IS NULL
    UNION ALL
    SELECT resolved_by, organization_id FROM daybook.alerts WHERE deleted_at IS NULL
    UNION ALL
    SELECT v.created_by, v.organization_id FROM daybook.pipeline_versions AS v JOIN daybook.pipelines AS r ON r.id = v.pipeline_id
    WHERE r.deleted_at IS NULL
    UNION ALL
    SELECT user_id, organization_id FROM daybook.system_logs
  ) AS named (id, organization_id)
  WHERE named.organization_id IN (
    SELECT o.id FROM daybook.organizations AS o WHERE o.platform = 'data_aggregator' AND o.deleted_at IS NULL)
$$;

-- Members, and whoever else the platform's rows name: who has left, who was deleted, and the system. So every key leads
-- somewhere. Of who was deleted nothing personal shows.
-- What the document says is never NULL is a constant where there is no value, so that a condition on it is answered from
-- the index on the values. OFFSET 0 has PostgreSQL look for one person at a time, by indexes.
CREATE VIEW data_aggregator.users WITH (security_invoker = true) AS
SELECT
  u.number::integer AS id,
  p.email,
  '!'::varchar AS hashed_password,
  p.full_name,
  (CASE u.role WHEN 'admin' THEN 'admin' WHEN 'developer' THEN 'editor' ELSE 'viewer' END)::varchar(50) AS role,
  u.is_active,
  u.email_verified AS is_verified,
  u.created_at AT TIME ZONE 'UTC' AS created_at,
  u.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.users AS u
JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NOT NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('data_aggregator')))
  OR EXISTS (SELECT FROM data_aggregator.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.number::integer,
  '!'::varchar(255),
  '!'::varchar,
  NULL::varchar(255),
  (CASE u.role WHEN 'admin' THEN 'admin' WHEN 'developer' THEN 'editor' ELSE 'viewer' END)::varchar(50),
  u.is_active,
  u.email_verified,
  u.created_at AT TIME ZONE 'UTC' AS created_at,
  u.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.users AS u
LEFT JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('data_aggregator')))
  OR EXISTS (SELECT FROM data_aggregator.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.number::integer,
  ('!' || u.id::text)::varchar(255),
  '!'::varchar,
  NULL::varchar(255),
  'viewer'::varchar(50),
  false,
  false,
  u.created_at AT TIME ZONE 'UTC' AS created_at,
  u.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.users AS u
WHERE u.deleted_at IS NOT NULL AND EXISTS (SELECT FROM data_aggregator.named_people() AS n (id) WHERE n.id = u.id OFFSET 0);

CREATE VIEW data_aggregator.pipelines WITH (security_invoker = true) AS
SELECT
  p.number::integer AS id,
  p.name::varchar(255) AS name,
  p.description,
  coalesce(p.source_config, '{}') AS source_config,
  p.transformation_config,
  coalesce(p.destination_config, '{}') AS destination_config,
  (p.schedule #>> '{}')::varchar(100) AS schedule,
  coalesce(p.is_active, p.status = 'active') AS is_active,
  p.visual_definition,
  owner.number::integer AS owner_id,
  p.created_at AT TIME ZONE 'UTC' AS created_at,
  p.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.pipelines AS p
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = p.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(p.owner_id, p.created_by)
WHERE p.deleted_at IS NULL AND coalesce(p.kind, 'flow') = 'flow';

-- Words are looked up in a table rather than by CASE, so that a condition on the documented word finds the index on the
-- stored one.
-- The states cancelled and timeout are none of this platform's; what was reported so from outside has failed.
CREATE VIEW data_aggregator.pipeline_runs WITH (security_invoker = true) AS
SELECT
  r.number::integer AS id,
  p.number::integer AS pipeline_id,
  state.shown::varchar(50) AS status,
  r.started_at AT TIME ZONE 'UTC' AS started_at,
  r.completed_at AT TIME ZONE 'UTC' AS completed_at,
  projector.fitted(r.rows_processed) AS records_processed,
  r.error_message,
  coalesce(r.execution_log, (
    SELECT jsonb_agg(
      jsonb_strip_nulls(jsonb_build_object(
        'at', l.at, 'level', l.level, 'node_id', l.node_id, 'message', said.message, 'metadata', said.metadata))
      ORDER BY l.at, l.id)
    FROM daybook.run_logs AS l
    LEFT JOIN personal.run_logs AS said USING (id)
    WHERE l.run_id = r.id
  )) AS execution_log,
  r.created_at AT TIME ZONE 'UTC' AS created_at
FROM daybook.runs AS r
JOIN (
  VALUES ('pending', 'pending'), ('running', 'running'), ('success', 'completed'), ('failed', 'failed'),
    ('cancelled', 'failed'), ('timeout', 'failed')
) AS state (stored, shown) ON state.stored = r.status
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = r.organization_id
LEFT JOIN daybook.pipelines AS p ON p.id = r.pipeline_id
WHERE r.deleted_at IS NULL
  AND coalesce(p.kind, 'flow') = 'flow';

CREATE VIEW data_aggregator.connectors WITH (security_invoker = true) AS
SELECT
  c.number::integer AS id,
  c.name,
  (CASE c.type WHEN 'postgres' THEN 'postgresql' ELSE c.type END)::varchar(100) AS connector_type,
  c.config,
  c.is_active,
  owner.number::integer AS owner_id,
  c.created_at AT TIME ZONE 'UTC' AS created_at,
  c.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.connections AS c
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = c.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(c.owner_id, c.created_by)
WHERE c.deleted_at IS NULL;

CREATE VIEW data_aggregator.transformations WITH (security_invoker = true) AS
SELECT
  t.number::integer AS id,
  t.name,
  t.transformation_type,
  t.transformation_code,
  t.config,
  t.is_active,
  owner.number::integer AS owner_id,
  t.created_at AT TIME ZONE 'UTC' AS created_at,
  t.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.transformations AS t
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = t.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(t.owner_id, t.created_by)
WHERE t.deleted_at IS NULL;

CREATE VIEW data_aggregator.pipeline_templates WITH (security_invoker = true) AS
SELECT
  t.number::integer AS id,
  t.name,
  t.description,
  t.category::varchar(100) AS category,
  t.template_config,
  t.is_builtin,
  t.is_public,
  projector.fitted(t.use_count) AS use_count,
  t.tags::varchar[] AS tags,
  owner.number::integer AS owner_id,
  t.created_at AT TIME ZONE 'UTC' AS created_at,
  t.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.pipeline_templates AS t
LEFT JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = t.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(t.owner_id, t.created_by)
WHERE t.deleted_at IS NULL
  AND (t.organization_id IS NULL AND t.is_builtin OR o.id IS NOT NULL);

CREATE VIEW data_aggregator.pipeline_versions WITH (security_invoker = true) AS
SELECT
  v.id::integer AS id,
  p.number::integer AS pipeline_id,
  v.version_number,
  v.version_name,
  said.change_description,
  v.snapshot,
  v.is_active,
  maker.number::integer AS created_by,
  v.created_at AT TIME ZONE 'UTC' AS created_at
FROM daybook.pipeline_versions AS v
JOIN daybook.pipelines AS p ON p.id = v.pipeline_id
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = p.organization_id
LEFT JOIN personal.pipeline_versions AS said ON said.id = v.id
LEFT JOIN daybook.users AS maker ON maker.id = v.created_by
WHERE p.deleted_at IS NULL AND coalesce(p.kind, 'flow') = 'flow';

CREATE VIEW data_aggregator.transformation_functions WITH (security_invoker = true) AS
SELECT
  f.number::integer AS id,
  f.name,
  f.display_name,
  f.description,
  f.category::varchar(100) AS category,
  f.function_type::varchar(50) AS function_type,
  f.function_code,
  f.parameters,
  f.example_usage,
  f.is_builtin,
  f.is_public,
  projector.fitted(f.use_count) AS use_count,
  f.tags::varchar[] AS tags,
  owner.number::integer AS owner_id,
  f.created_at AT TIME ZONE 'UTC' AS created_at,
  f.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.transformation_functions AS f
LEFT JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = f.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(f.owner_id, f.created_by)
WHERE f.deleted_at IS NULL
  AND (f.organization_id IS NULL AND f.is_builtin OR o.id IS NOT NULL);

CREATE VIEW data_aggregator.schema_mappings WITH (security_invoker = true) AS
SELECT
  s.number::integer AS id,
  s.name,
  s.source_schema,
  s.destination_schema,
  s.field_mappings,
  s.transformation_rules,
  s.is_active,
  owner.number::integer AS owner_id,
  s.created_at AT TIME ZONE 'UTC' AS created_at,
  s.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.schema_mappings AS s
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = s.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(s.owner_id, s.created_by)
WHERE s.deleted_at IS NULL;

CREATE VIEW data_aggregator.file_uploads WITH (security_invoker = true) AS
SELECT
  f.number::integer AS id,
  f.filename,
  coalesce(f.file_path, '!')::varchar(500) AS file_path,
  coalesce(f.file_type, '!')::varchar(50) AS file_type,
  f.file_size,
  f.mime_type,
  f.file_hash,
  f.status::varchar(50) AS status,
  f.upload_progress,
  f.total_chunks,
  f.uploaded_chunks,
  f.metadata,
  f.is_temporary,
  f.expires_at AT TIME ZONE 'UTC' AS expires_at,
  owner.number::integer AS owner_id,
  p.number::integer AS pipeline_id,
  f.created_at AT TIME ZONE 'UTC' AS created_at,
  f.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.files AS f
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = f.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(f.owner_id, f.created_by)
LEFT JOIN daybook.pipelines AS p ON p.id = f.pipeline_id
WHERE f.deleted_at IS NULL;

CREATE VIEW data_aggregator.file_processing_jobs WITH (security_invoker = true) AS
SELECT
  j.number::integer AS id,
  f.number::integer AS file_id,
  j.job_type::varchar(100) AS job_type,
  state.shown::varchar(50) AS status,
  j.progress,
  j.result_data,
  j.error_message,
  output.number::integer AS output_file_id,
  j.created_at AT TIME ZONE 'UTC' AS created_at,
  j.completed_at AT TIME ZONE 'UTC' AS completed_at
FROM daybook.file_jobs AS j
JOIN (
  VALUES ('pending', 'pending'), ('running', 'running'), ('success', 'completed'), ('failed', 'failed')
) AS state (stored, shown) ON state.stored = j.status
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = j.organization_id
LEFT JOIN daybook.files AS f ON f.id = j.file_id
LEFT JOIN daybook.files AS output ON output.id = j.output_file_id
WHERE j.deleted_at IS NULL;

CREATE VIEW data_aggregator.system_logs WITH (security_invoker = true) AS
SELECT
  l.id,
  l.level::varchar(20) AS level,
  coalesce(said.message, '!') AS message,
  l.logger_name,
  l.module,
  l.function_name,
  l.line_number,
  l.correlation_id,
  u.number::integer AS user_id,
  l.request_id,
  l.request_method,
  said.request_path,
  host(said.request_ip)::varchar(45) AS request_ip,
  l.duration_ms,
  l.memory_usage_mb,
  l.exception_type,
  said.exception_message,
  said.stack_trace,
  said.extra_data,
  l.at AT TIME ZONE 'UTC' AS created_at
FROM daybook.system_logs AS l
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = l.organization_id
LEFT JOIN personal.system_logs AS said ON said.id = l.id
LEFT JOIN daybook.users AS u ON u.id = l.user_id;

CREATE VIEW data_aggregator.alert_rules WITH (security_invoker = true) AS
SELECT
  r.number::integer AS id,
  r.name,
  r.description,
  r.metric,
  r.threshold,
  r.operator::varchar(20) AS operator,
  r.severity::varchar(20) AS severity,
  r.is_active,
  r.cooldown_minutes,
  r.notification_channels::varchar[] AS notification_channels,
  policy.number::integer AS escalation_policy_id,
  owner.number::integer AS owner_id,
  r.created_at AT TIME ZONE 'UTC' AS created_at,
  r.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.alert_rules AS r
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = r.organization_id
LEFT JOIN daybook.escalation_policies AS policy ON policy.id = r.escalation_policy_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(r.owner_id, r.created_by)
WHERE r.deleted_at IS NULL;

CREATE VIEW data_aggregator.alert_escalation_policies WITH (security_invoker = true) AS
SELECT
  e.number::integer AS id,
  e.name,
  e.description,
  e.levels,
  e.is_active,
  owner.number::integer AS owner_id,
  e.created_at AT TIME ZONE 'UTC' AS created_at,
  e.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.escalation_policies AS e
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = e.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = coalesce(e.owner_id, e.created_by)
WHERE e.deleted_at IS NULL;

CREATE VIEW data_aggregator.alerts WITH (security_invoker = true) AS
SELECT
  a.number::integer AS id,
  r.number::integer AS rule_id,
  a.severity::varchar(20) AS severity,
  a.status::varchar(20) AS status,
  coalesce(a.metric_value, 0) AS metric_value,
  a.message,
  a.context,
  acknowledger.number::integer AS acknowledged_by,
  a.acknowledged_at AT TIME ZONE 'UTC' AS acknowledged_at,
  resolver.number::integer AS resolved_by,
  a.resolved_at AT TIME ZONE 'UTC' AS resolved_at,
  a.resolution_type::varchar(20) AS resolution_type,
  a.escalation_level,
  a.last_escalated_at AT TIME ZONE 'UTC' AS last_escalated_at,
  a.notifications_sent,
  a.created_at AT TIME ZONE 'UTC' AS created_at,
  a.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.alerts AS a
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = a.organization_id
LEFT JOIN daybook.alert_rules AS r ON r.id = a.rule_id
LEFT JOIN daybook.users AS acknowledger ON acknowledger.id = a.acknowledged_by
LEFT JOIN daybook.users AS resolver ON resolver.id = a.resolved_by
WHERE a.deleted_at IS NULL;

CREATE VIEW data_aggregator.user_preferences WITH (security_invoker = true) AS
SELECT
  s.number::integer AS id,
  u.number::integer AS user_id,
  s.theme,
  p.language,
  p.timezone,
  s.date_format,
  s.time_format,
  s.notifications_enabled,
  s.email_notifications,
  s.dashboard_refresh_interval,
  coalesce(p.accessibility_mode, false) AS accessibility_mode,
  p.custom_settings,
  s.created_at AT TIME ZONE 'UTC' AS created_at,
  s.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.user_preferences AS s
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = s.organization_id
LEFT JOIN personal.user_preferences AS p ON p.id = s.id
LEFT JOIN daybook.users AS u ON u.id = s.user_id
WHERE s.deleted_at IS NULL;

CREATE VIEW data_aggregator.dashboard_layouts WITH (security_invoker = true) AS
SELECT
  d.number::integer AS id,
  u.number::integer AS user_id,
  d.name,
  d.description,
  d.layout_config,
  d.is_default,
  d.is_shared,
  d.version_number AS version,
  d.created_at AT TIME ZONE 'UTC' AS created_at,
  d.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM daybook.dashboards AS d
JOIN projector.platform_organizations('data_aggregator') AS o (id) ON o.id = d.organization_id
LEFT JOIN daybook.users AS u ON u.id = coalesce(d.user_id, d.created_by)
WHERE d.deleted_at IS NULL;
