-- Generated from schema/user.yaml by tools/generate; only the indexes are written by hand.
-- projection: users
-- from: user
-- summary: A person. users of all five platforms, auth_user of Django ETL; full_name (ETL Builder, Data Aggregator),
--   display_name (MecaPy; `name` in ETLab), email_verified (`is_verified` in Data Aggregator), last_login_at
--   (`last_login` in MecaPy and Django).

-- section: tables
CREATE TABLE daybook.users (
  id             uuid PRIMARY KEY,
  number         bigint,
  role           text,
  is_active      boolean,
  email_verified boolean,
  is_staff       boolean,
  is_superuser   boolean,
  created_by     uuid,
  created_at     timestamptz,
  updated_at     timestamptz,
  version        bigint,
  deleted_at     timestamptz
);

-- Personal columns: unlogged, so that no value ever enters the write-ahead log or a replica.
CREATE UNLOGGED TABLE personal.users (
  id              uuid PRIMARY KEY,
  email           varchar(255),
  email_folded    text,
  username        varchar(150),
  username_folded text,
  full_name       varchar(255),
  first_name      varchar(150),
  last_name       varchar(150),
  display_name    varchar(255),
  avatar_url      varchar(500),
  keycloak_id     varchar(255),
  preferences     jsonb,
  last_login_at   timestamptz,
  last_login_ip   inet
);

COMMENT ON TABLE daybook.users IS
  'A person. users of all five platforms, auth_user of Django ETL; full_name (ETL Builder, Data Aggregator), '
  'display_name (MecaPy; `name` in ETLab), email_verified (`is_verified` in Data Aggregator), last_login_at '
  '(`last_login` in MecaPy and Django).';
COMMENT ON COLUMN daybook.users.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN personal.users.email_folded IS
  'How email is compared, folded by Unicode; NULL where that is lower(email COLLATE "C").';
COMMENT ON COLUMN personal.users.username_folded IS
  'How username is compared, in NFC; NULL where that is username itself.';
COMMENT ON COLUMN daybook.users.role IS
  'The role on the platform. With create, organization_id and no membership_role, one of owner, admin, member is '
  'instead the role of the first membership, and this one is viewer. One of admin, developer, viewer, officer, '
  'auditor.';
COMMENT ON COLUMN daybook.users.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.users.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.users.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.users.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX users_role ON daybook.users (role);
CREATE INDEX users_is_active ON daybook.users (is_active);
CREATE INDEX users_created_at ON daybook.users (created_at DESC);
CREATE INDEX users_email ON personal.users (coalesce(email_folded, lower(email COLLATE "C")));
CREATE INDEX users_username ON personal.users (coalesce(username_folded, username));
CREATE INDEX users_keycloak_id ON personal.users (keycloak_id);
CREATE INDEX users_number ON daybook.users ((number::integer));
CREATE INDEX users_role_of_builder ON daybook.users ((CASE WHEN role IN ('admin', 'developer') THEN role ELSE 'viewer' END::varchar(50)));
CREATE INDEX users_role_of_aggregator ON daybook.users (((CASE role WHEN 'admin' THEN 'admin' WHEN 'developer' THEN 'editor' ELSE 'viewer' END)::varchar(50)));
CREATE INDEX users_deleted ON daybook.users (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX users_shown_email ON personal.users (email);
CREATE INDEX users_shown_email_254 ON personal.users ((email::varchar(254)));
CREATE INDEX users_shown_username_100 ON personal.users ((coalesce(username, '!')::varchar(100)));
CREATE INDEX users_shown_username_150 ON personal.users ((coalesce(username, '!')::varchar(150)));
CREATE INDEX users_shown_keycloak_id ON personal.users ((coalesce(keycloak_id, '!')::varchar(255)));
