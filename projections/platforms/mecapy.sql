-- MecaPy's tables and views under their documented names: views over the read models, with the reader's rights. Integer
-- keys are the resources' numbers. schema/platforms/mecapy.yaml says where each column comes from.
-- A user's key is NULL only for a restricted role that can't see the user, who is no member any more.

-- Whom rows of the platform's organizations name, whether they are members or not.
CREATE OR REPLACE FUNCTION mecapy.named_people() RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT named.id FROM (
    SELECT owner_id, organization_id FROM daybook.files WHERE deleted_at IS NULL
    UNION ALL
    SELECT user_id, organization_id FROM daybook.calculations WHERE deleted_at IS NULL
    UNION ALL
    SELECT author_id, organization_id FROM daybook.tools WHERE deleted_at IS NULL
    UNION ALL
    SELECT v.created_by, v.organization_id FROM daybook.tool_versions AS v JOIN daybook.tools AS r ON r.id = v.tool_id
    WHERE r.deleted_at IS NULL
  ) AS named (id, organization_id)
  WHERE named.organization_id IN (
    SELECT o.id FROM daybook.organizations AS o WHERE o.platform = 'mecapy' AND o.deleted_at IS NULL)
$$;

-- Members, and whoever else the platform's rows name: who has left, who was deleted, and the system. So every key leads
-- somewhere. Of who was deleted nothing personal shows.
-- What the document says is never NULL is a constant where there is no value, so that a condition on it is answered from
-- the index on the values. OFFSET 0 has PostgreSQL look for one person at a time, by indexes.
CREATE VIEW mecapy.users WITH (security_invoker = true) AS
SELECT
  u.number::integer AS id,
  coalesce(p.keycloak_id, '!')::varchar(255) AS keycloak_id,
  coalesce(p.username, '!')::varchar(100) AS username,
  p.email,
  p.first_name::varchar(100) AS first_name,
  p.last_name::varchar(100) AS last_name,
  p.display_name::varchar(200) AS display_name,
  u.created_at,
  u.updated_at,
  projector.last_login_at(u.id) AS last_login,
  u.is_active
FROM daybook.users AS u
JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NOT NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('mecapy')))
  OR EXISTS (SELECT FROM mecapy.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.number::integer,
  '!'::varchar(255),
  '!'::varchar(100),
  '!'::varchar(255),
  NULL::varchar(100),
  NULL::varchar(100),
  NULL::varchar(200),
  u.created_at,
  u.updated_at,
  projector.last_login_at(u.id),
  u.is_active
FROM daybook.users AS u
LEFT JOIN personal.users AS p USING (id)
WHERE u.deleted_at IS NULL AND p.email IS NULL
  AND (EXISTS (
    SELECT FROM daybook.memberships AS m
    WHERE m.user_id = u.id AND m.deleted_at IS NULL
      AND m.organization_id IN (SELECT projector.platform_organizations('mecapy')))
  OR EXISTS (SELECT FROM mecapy.named_people() AS n (id) WHERE n.id = u.id OFFSET 0))
UNION ALL
SELECT
  u.number::integer,
  ('!' || u.id::text)::varchar(255),
  ('!' || u.id::text)::varchar(100),
  ('!' || u.id::text)::varchar(255),
  NULL::varchar(100),
  NULL::varchar(100),
  NULL::varchar(200),
  u.created_at,
  u.updated_at,
  NULL::timestamptz,
  false
FROM daybook.users AS u
WHERE u.deleted_at IS NOT NULL AND EXISTS (SELECT FROM mecapy.named_people() AS n (id) WHERE n.id = u.id OFFSET 0);

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
-- owner. Counting each side by itself, once for all owners, and multiplying comes to the same without that join.
CREATE VIEW mecapy.user_stats WITH (security_invoker = true) AS
SELECT
  u.id,
  u.username,
  coalesce(f.total, 0) AS total_files,
  (coalesce(f.bytes, 0) * greatest(coalesce(c.total, 0), 1))::bigint AS total_storage_bytes,
  coalesce(c.total, 0) AS total_calculations,
  coalesce(c.completed, 0) AS completed_calculations
FROM mecapy.users AS u
LEFT JOIN (
  SELECT owner.number::integer AS id, count(*) AS total, sum(projector.fitted(x.file_size)::bigint) AS bytes
  FROM daybook.files AS x
  JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = x.organization_id
  JOIN daybook.users AS owner ON owner.id = x.owner_id
  WHERE x.deleted_at IS NULL
  GROUP BY owner.number::integer
) AS f ON f.id = u.id
LEFT JOIN (
  SELECT runner.number::integer AS id, count(*) AS total, count(*) FILTER (WHERE x.status = 'success') AS completed
  FROM daybook.calculations AS x
  JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = x.organization_id
  JOIN daybook.users AS runner ON runner.id = x.user_id
  WHERE x.deleted_at IS NULL
  GROUP BY runner.number::integer
) AS c ON c.id = u.id;

-- The rows of the document's text; calculations and users are joined by their own keys, whose statistics PostgreSQL
-- has.
CREATE VIEW mecapy.recent_calculations WITH (security_invoker = true) AS
SELECT
  c.number::integer AS id,
  c.name,
  state.shown AS status,
  c.created_at,
  c.execution_time,
  (CASE WHEN u.deleted_at IS NULL THEN coalesce(p.username, '!') ELSE '!' || u.id::text END)::varchar(100) AS username,
  (CASE WHEN u.deleted_at IS NULL THEN p.display_name END)::varchar(200) AS display_name
FROM daybook.calculations AS c
JOIN (
  VALUES ('pending', 'pending'), ('running', 'running'), ('success', 'completed'), ('failed', 'failed'),
    ('cancelled', 'cancelled')
) AS state (stored, shown) ON state.stored = c.status
JOIN projector.platform_organizations('mecapy') AS o (id) ON o.id = c.organization_id
JOIN daybook.users AS u ON u.id = c.user_id
LEFT JOIN personal.users AS p ON p.id = u.id
WHERE c.deleted_at IS NULL
ORDER BY c.created_at DESC;
