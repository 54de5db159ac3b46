-- What the projector keeps about itself, and the functions that row-level security asks. Runs at every connect: each
-- statement may find its object there already.

CREATE SCHEMA IF NOT EXISTS projector;

-- One row. Whoever raises the epoch is the projector; who finds another one than its own stops.
CREATE TABLE IF NOT EXISTS projector.epoch (
  only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch         bigint NOT NULL,
  skips_scanned bigint NOT NULL DEFAULT 0
);
INSERT INTO projector.epoch (epoch) VALUES (0) ON CONFLICT DO NOTHING;

-- How far each read model has come: `live` is what is read, `next` what a rebuild fills beside it. The personal tables of a
-- read model are a part of their own, since a crash of PostgreSQL empties them.
CREATE TABLE IF NOT EXISTS projector.checkpoints (
  generation   text NOT NULL,
  projection   text NOT NULL,
  part         text NOT NULL,
  position     bigint NOT NULL,
  event_id     uuid,
  fingerprint  text NOT NULL,
  is_indexed   boolean NOT NULL,
  refilling_to bigint NOT NULL DEFAULT 0,
  updated_at   timestamptz NOT NULL DEFAULT now(),
  wording      text,
  PRIMARY KEY (generation, projection, part)
) WITH (fillfactor = 50);
-- Databases that were made before have no such column; the table is locked for it only there.
DO $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE attrelid = 'projector.checkpoints'::regclass AND attname = 'wording' AND NOT attisdropped
  ) THEN
    ALTER TABLE projector.checkpoints ADD COLUMN wording text;
  END IF;
END
$$;
COMMENT ON COLUMN projector.checkpoints.event_id IS 'The event at that position: another one there means another log.';
COMMENT ON COLUMN projector.checkpoints.fingerprint IS 'A hash of the statements that made and fill the table.';
COMMENT ON COLUMN projector.checkpoints.wording IS 'A hash of the statements that say what its columns mean.';
COMMENT ON COLUMN projector.checkpoints.refilling_to IS 'Until it is there, a part that was emptied is not to be read.';

-- Which event each stopped read model could not apply, and what PostgreSQL said about it, without values.
CREATE TABLE IF NOT EXISTS projector.parked (
  generation text NOT NULL,
  projection text NOT NULL,
  part       text NOT NULL,
  position   bigint NOT NULL,
  sqlstate   text,
  message    text NOT NULL,
  at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (generation, projection, part)
);

-- What operators decided to pass over: a copy of what the log's projection.skipped events say.
CREATE TABLE IF NOT EXISTS projector.skipped (
  projection text NOT NULL,
  position   bigint NOT NULL,
  PRIMARY KEY (projection, position)
);

-- Persons whose data is or was restricted (GDPR Art. 18), and the version of what was decided that the personal tables follow.
CREATE TABLE IF NOT EXISTS projector.restrictions (
  person_id uuid PRIMARY KEY,
  version   bigint NOT NULL
);

-- The PostgreSQL roles that may read one organization's rows.
CREATE TABLE IF NOT EXISTS projector.sql_roles (
  role_name       text PRIMARY KEY,
  organization_id uuid NOT NULL,
  personal        boolean NOT NULL
);

-- The platforms' views and functions that were made, and why some could not be.
CREATE TABLE IF NOT EXISTS projector.platform_schemas (
  name        text PRIMARY KEY,
  fingerprint text NOT NULL,
  views       text[] NOT NULL,
  functions   text[] NOT NULL,
  problem     text,
  made_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN projector.platform_schemas.fingerprint IS 'SHA-256 of the SQL file that made them.';

-- Who is asking: the role that SET ROLE chose, else the one that signed in. Inside a SECURITY DEFINER function current_user
-- would be the function's owner.
CREATE OR REPLACE FUNCTION projector.asking_role() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE current_setting('role') WHEN 'none' THEN session_user::text ELSE current_setting('role') END;

-- The asking role's organization, while that is active. Where the setting app.current_user_id names somebody: only while
-- they, active, have a membership there, as a guest or as more.
CREATE OR REPLACE FUNCTION projector.asked_organizations(as_guest boolean) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  narrowed text := nullif(current_setting('app.current_user_id', true), '');
BEGIN
  RETURN QUERY
    SELECT r.organization_id FROM projector.sql_roles AS r
    WHERE r.role_name = projector.asking_role()
      AND NOT EXISTS (
        SELECT FROM daybook.organizations AS o
        WHERE o.id = r.organization_id AND (NOT o.is_active OR o.deleted_at IS NOT NULL))
      AND CASE WHEN narrowed IS NULL THEN NOT as_guest ELSE EXISTS (
        SELECT FROM daybook.memberships AS m
        LEFT JOIN daybook.users AS u ON u.id = m.user_id
        WHERE m.organization_id = r.organization_id AND m.user_id::text = lower(narrowed) AND m.deleted_at IS NULL
          AND (m.role = 'member' AND coalesce(m.is_guest, false)) = as_guest
          AND coalesce(u.is_active, true) AND u.deleted_at IS NULL) END;
END $$;

-- The organizations whose rows the asking role may read. The setting app.current_user_id narrows them to those where that
-- user, while active, is a member and no guest; it never widens them.
CREATE OR REPLACE FUNCTION projector.current_organizations() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT o FROM projector.asked_organizations(false) AS o;
END $$;

-- Those where the user whom app.current_user_id names is a guest: of their rows only what lies in the workspaces where that
-- user has a place, and what is theirs.
CREATE OR REPLACE FUNCTION projector.visited_organizations() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT o FROM projector.asked_organizations(true) AS o;
END $$;

-- The workspaces where a guest whom the session names has a place.
CREATE OR REPLACE FUNCTION projector.visited_workspaces() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT w.workspace_id FROM daybook.workspace_members AS w
    WHERE w.deleted_at IS NULL AND w.organization_id IN (SELECT projector.visited_organizations())
      AND w.user_id::text = lower(nullif(current_setting('app.current_user_id', true), ''));
END $$;

-- The pipelines in those workspaces.
CREATE OR REPLACE FUNCTION projector.visited_pipelines() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT p.id FROM daybook.pipelines AS p WHERE p.workspace_id IN (SELECT projector.visited_workspaces());
END $$;

-- The runs of those pipelines.
CREATE OR REPLACE FUNCTION projector.visited_runs() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT r.id FROM daybook.runs AS r WHERE r.pipeline_id IN (SELECT projector.visited_pipelines());
END $$;

-- Of the organizations whose rows the asking role may read, those of a platform whose members share only what they say, where
-- the user whom app.current_user_id names is an ordinary member. None where nobody is named: a role reads for its organization.
CREATE OR REPLACE FUNCTION projector.narrowed_organizations(platform text) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT a FROM projector.asked_organizations(false) AS a
    JOIN daybook.organizations AS o ON o.id = a AND o.platform = $1
    JOIN daybook.memberships AS m ON m.organization_id = a AND m.deleted_at IS NULL AND m.role = 'member'
    LEFT JOIN daybook.users AS u ON u.id = m.user_id
    WHERE m.user_id::text = lower(nullif(current_setting('app.current_user_id', true), ''))
      AND coalesce(u.role, '') NOT IN ('officer', 'auditor', 'admin');
END $$;

-- The workspaces where such a member has a place.
CREATE OR REPLACE FUNCTION projector.own_workspaces() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT w.workspace_id FROM daybook.workspace_members AS w
    WHERE w.deleted_at IS NULL AND w.organization_id IN (SELECT projector.narrowed_organizations('etlab'))
      AND w.user_id::text = lower(nullif(current_setting('app.current_user_id', true), ''));
END $$;

-- The pipelines in those workspaces.
CREATE OR REPLACE FUNCTION projector.own_pipelines() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT p.id FROM daybook.pipelines AS p WHERE p.workspace_id IN (SELECT projector.own_workspaces());
END $$;

-- The runs of those pipelines.
CREATE OR REPLACE FUNCTION projector.own_runs() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT r.id FROM daybook.runs AS r WHERE r.pipeline_id IN (SELECT projector.own_pipelines());
END $$;

-- Whether a pipeline, or the pipeline of a run, lies in no workspace.
CREATE OR REPLACE FUNCTION projector.is_unplaced_pipeline(pipeline uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (SELECT FROM daybook.pipelines AS p WHERE p.id = $1 AND p.workspace_id IS NULL);
END $$;
CREATE OR REPLACE FUNCTION projector.is_unplaced_run(run uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM daybook.runs AS r
    WHERE r.id = $1 AND (r.pipeline_id IS NULL OR projector.is_unplaced_pipeline(r.pipeline_id)));
END $$;

-- The users that the asking role may see: the members of its organizations.
CREATE OR REPLACE FUNCTION projector.visible_users() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT m.user_id FROM daybook.memberships AS m
    WHERE m.deleted_at IS NULL AND m.organization_id IN (SELECT projector.current_organizations());
END $$;

-- Whether the asking role has a recorded grant to read personal columns.
CREATE OR REPLACE FUNCTION projector.may_read_personal() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM projector.sql_roles AS r WHERE r.role_name = projector.asking_role() AND r.personal);
END $$;

-- True where the personal columns of a read model are all there, at the position of its rows. While they are being filled
-- again, after a crash, it is an error for whoever may read them: a row without them would look like somebody of whom
-- nothing is known.
CREATE OR REPLACE FUNCTION projector.is_whole(read_model text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT projector.may_read_personal() THEN RETURN true; END IF;
  IF EXISTS (SELECT FROM personal.marker) AND (
    SELECT coalesce(bool_and(c.position >= c.refilling_to), false) AND count(DISTINCT c.position) = 1
    FROM projector.checkpoints AS c WHERE c.generation = 'live' AND c.projection = read_model)
  THEN RETURN true; END IF;
  RAISE EXCEPTION 'The personal columns of % are being filled again from the log.', read_model
    USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Ask again in a moment.';
END $$;

-- What the platforms' views ask again and again. These are plain SQL functions that run with the rights of whoever reads the
-- view: PostgreSQL puts them into the query, so that they cost nothing and row-level security holds (which is why none is STRICT,
-- SECURITY DEFINER or has settings of its own). At the first start the tables that they read are not there yet.
SET LOCAL check_function_bodies = off;

-- The living organizations of a platform.
CREATE OR REPLACE FUNCTION projector.platform_organizations(platform text) RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT o.id FROM daybook.organizations AS o WHERE o.platform = $1 AND o.deleted_at IS NULL
$$;

-- The users who are members of one of them.
CREATE OR REPLACE FUNCTION projector.platform_members(platform text) RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
  SELECT m.user_id FROM daybook.memberships AS m
  JOIN daybook.organizations AS o ON o.id = m.organization_id
  WHERE m.deleted_at IS NULL AND o.platform = $1 AND o.deleted_at IS NULL
$$;

-- A number in a column that the document calls an integer; what doesn't fit shows as the greatest one.
CREATE OR REPLACE FUNCTION projector.fitted(number bigint) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN $1 > 2147483647 THEN 2147483647 ELSE $1 END::integer
$$;
CREATE OR REPLACE FUNCTION projector.fitted(number double precision) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
  SELECT round(CASE WHEN $1 > 2147483647 THEN 2147483647 ELSE $1 END)::integer
$$;

-- Of a user what is not for all of an organization, and so granted to no SQL role: these see NULL in the platforms' views,
-- where the column itself would be an error.
CREATE OR REPLACE FUNCTION projector.last_login_at(user_id uuid) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF NOT has_column_privilege('personal.users', 'last_login_at', 'SELECT') THEN RETURN NULL; END IF;
  RETURN (SELECT u.last_login_at FROM personal.users AS u WHERE u.id = user_id);
END $$;
CREATE OR REPLACE FUNCTION projector.last_login_ip(user_id uuid) RETURNS inet
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF NOT has_column_privilege('personal.users', 'last_login_ip', 'SELECT') THEN RETURN NULL; END IF;
  RETURN (SELECT u.last_login_ip FROM personal.users AS u WHERE u.id = user_id);
END $$;
CREATE OR REPLACE FUNCTION projector.preferences(user_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF NOT has_column_privilege('personal.users', 'preferences', 'SELECT') THEN RETURN NULL; END IF;
  RETURN (SELECT u.preferences FROM personal.users AS u WHERE u.id = user_id);
END $$;

RESET check_function_bodies;
