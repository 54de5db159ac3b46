-- MecaPy's tables and views under their documented names: views over the read models, with the reader's rights. Integer
-- keys are the resources' numbers. schema/platforms/mecapy.yaml says where each column comes from.
-- A user's key is NULL only for a restricted role that can't see the user, who is no member any more.

CREATE VIEW mecapy.users WITH (security_invoker = true) AS
SELECT
  u.number::integer AS id,
  coalesce(p.keycloak_id, '!')::varchar(255) AS keycloak_id,
  coalesce(p.username, '!')::varchar(100) AS username,
  coalesce(p.email, '!')::varchar(255) AS email,
  p.first_name::varchar(100) AS first_name,
  p.last_name::varchar(100) AS last_name,
  p.display_name::varchar(200) AS display_name,
  u.created_at,
  u.updated_at,
  projector.last_login_at(u.id) AS last_login,
  u.is_active
FROM daybook.users AS u
LEFT JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL
  AND u.id IN (SELECT m.id FROM projector.platform_members('mecapy') AS m (id));

CREATE VIEW mecapy.user_files WITH (security_invoker = true) AS
SELECT
  f.number::integer AS id,
  owner.number::integer AS user_id,
  f.filename,
  coalesce(f.original_filename, f.filename)::varchar(255) AS original_filename,
  projector.fitted(f.file_size) AS file_size,
  coalesce(f.mime_type, '!')::varchar(100) AS content_type,
  coalesce(f.s3_key, '!')::varchar(500) AS s3_key,
  coalesce(f.s3_bucket, '!')::varchar(100) AS s3_bucket,
  coalesce(f.s3_url, '!')::varchar(1000) AS s3_url,
  coalesce(f.uploaded_at, f.created_at) AS uploaded_at,
  f.is_public,
  f.description,
  f.file_hash
FROM daybook.files AS f
JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = f.organization_id
LEFT JOIN daybook.users AS owner ON owner.id = f.owner_id
WHERE f.deleted_at IS NULL;

-- Words are looked up in a table rather than by CASE, so that a condition on the documented word finds the index on the
-- stored one.
-- Text that was given shows as it is, any other JSON as its text; where that is too long by its spaces alone, without them.
CREATE VIEW mecapy.calculations WITH (security_invoker = true) AS
SELECT
  c.number::integer AS id,
  u.number::integer AS user_id,
  c.name,
  c.description,
  state.shown AS status,
  c.started_at,
  c.completed_at,
  coalesce(c.code, '')::varchar(10000) AS code,
  (CASE
    WHEN jsonb_typeof(c.parameters) = 'string' OR length(c.parameters::text) <= 5000 THEN c.parameters #>> '{}'
    ELSE regexp_replace(c.parameters::text, '("(?:[^"\\]|\\.)*")|([:,]) ', '\1\2', 'g')
  END)::varchar(5000) AS parameters,
  (CASE
    WHEN jsonb_typeof(c.result_data) = 'string' OR length(c.result_data::text) <= 50000 THEN c.result_data #>> '{}'
    ELSE regexp_replace(c.result_data::text, '("(?:[^"\\]|\\.)*")|([:,]) ', '\1\2', 'g')
  END)::varchar(50000) AS result_data,
  c.error_message,
  c.execution_time,
  c.memory_used,
  c.cpu_time,
  c.created_at,
  c.updated_at
FROM daybook.calculations AS c
JOIN (
  VALUES ('pending', 'pending'), ('running', 'running'), ('success', 'completed'), ('failed', 'failed'),
    ('cancelled', 'cancelled')
) AS state (stored, shown) ON state.stored = c.status
JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = c.organization_id
LEFT JOIN daybook.users AS u ON u.id = c.user_id
WHERE c.deleted_at IS NULL;

CREATE VIEW mecapy.calculation_files WITH (security_invoker = true) AS
SELECT
  c.number::integer AS calculation_id,
  f.number::integer AS file_id,
  l.created_at AS added_at,
  l.role AS file_role
FROM daybook.calculation_files AS l
JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = l.organization_id
JOIN daybook.calculations AS c ON c.id = l.calculation_id
JOIN daybook.files AS f ON f.id = l.file_id
WHERE l.deleted_at IS NULL;

CREATE VIEW mecapy.tools WITH (security_invoker = true) AS
SELECT
  t.number::integer AS id,
  t.name,
  t.display_name,
  t.description,
  t.version_label AS version,
  t.code_template,
  t.docker_image,
  t.memory_limit,
  t.cpu_limit,
  t.timeout,
  t.created_at,
  t.updated_at,
  t.is_active,
  author.number::integer AS author_id
FROM daybook.tools AS t
JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = t.organization_id
LEFT JOIN daybook.users AS author ON author.id = t.author_id
WHERE t.deleted_at IS NULL;

CREATE VIEW mecapy.tool_versions WITH (security_invoker = true) AS
SELECT
  v.id,
  t.number::integer AS tool_id,
  v.version_number,
  v.version_label AS version,
  v.display_name,
  v.description,
  v.code_template,
  v.docker_image,
  v.memory_limit,
  v.cpu_limit,
  v.timeout,
  v.is_active,
  maker.number::integer AS created_by,
  v.created_at
FROM daybook.tool_versions AS v
JOIN daybook.tools AS t ON t.id = v.tool_id
JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = t.organization_id
LEFT JOIN daybook.users AS maker ON maker.id = v.created_by
WHERE t.deleted_at IS NULL;

-- The rows of the document's text, which joins files with calculations and so counts each file's size once a calculation of its
-- owner. Counting each side by itself and multiplying comes to the same without that join.
CREATE VIEW mecapy.user_stats WITH (security_invoker = true) AS
SELECT
  u.number::integer AS id,
  coalesce(p.username, '!')::varchar(100) AS username,
  f.total AS total_files,
  (f.bytes * greatest(c.total, 1))::bigint AS total_storage_bytes,
  c.total AS total_calculations,
  c.completed AS completed_calculations
FROM daybook.users AS u
LEFT JOIN personal.users AS p USING (id)
CROSS JOIN LATERAL (
  SELECT count(*) AS total, coalesce(sum(projector.fitted(x.file_size)::bigint), 0) AS bytes
  FROM daybook.files AS x
  JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = x.organization_id
  WHERE x.owner_id = u.id AND x.deleted_at IS NULL
) AS f
CROSS JOIN LATERAL (
  SELECT count(*) AS total, count(*) FILTER (WHERE x.status = 'success') AS completed
  FROM daybook.calculations AS x
  JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = x.organization_id
  WHERE x.user_id = u.id AND x.deleted_at IS NULL
) AS c
WHERE u.deleted_at IS NULL
  AND u.id IN (SELECT m.id FROM projector.platform_members('mecapy') AS m (id));

-- The rows of the document's text; calculations and users are joined by their own keys, whose statistics PostgreSQL
-- has.
CREATE VIEW mecapy.recent_calculations WITH (security_invoker = true) AS
SELECT
  c.number::integer AS id,
  c.name,
  state.shown AS status,
  c.created_at,
  c.execution_time,
  coalesce(p.username, '!')::varchar(100) AS username,
  p.display_name::varchar(200) AS display_name
FROM daybook.calculations AS c
JOIN (
  VALUES ('pending', 'pending'), ('running', 'running'), ('success', 'completed'), ('failed', 'failed'),
    ('cancelled', 'cancelled')
) AS state (stored, shown) ON state.stored = c.status
JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = c.organization_id
JOIN daybook.users AS u ON u.id = c.user_id
LEFT JOIN personal.users AS p ON p.id = u.id
WHERE c.deleted_at IS NULL AND u.deleted_at IS NULL
  AND u.id IN (SELECT m.id FROM projector.platform_members('mecapy') AS m (id))
ORDER BY c.created_at DESC;
