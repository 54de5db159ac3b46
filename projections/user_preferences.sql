-- Generated from schema/user_preferences.yaml by tools/generate; only the indexes are written by hand.
-- projection: user_preferences
-- from: user_preferences
-- summary: How a person likes things shown, one a user. user_preferences (Data Aggregator), auth_user.preferences
--   (Django ETL).

-- section: tables
CREATE TABLE daybook.user_preferences (
  id                         uuid PRIMARY KEY,
  number                     bigint,
  organization_id            uuid,
  user_id                    uuid,
  theme                      varchar(20),
  date_format                varchar(20),
  time_format                varchar(20),
  notifications_enabled      boolean,
  email_notifications        boolean,
  dashboard_refresh_interval integer,
  created_by                 uuid,
  created_at                 timestamptz,
  updated_at                 timestamptz,
  version                    bigint,
  deleted_at                 timestamptz
);

-- Personal columns: unlogged, so that no value ever enters the write-ahead log or a replica.
CREATE UNLOGGED TABLE personal.user_preferences (
  id                 uuid PRIMARY KEY,
  language           varchar(10),
  timezone           varchar(50),
  accessibility_mode boolean,
  custom_settings    jsonb
);

COMMENT ON TABLE daybook.user_preferences IS
  'How a person likes things shown, one a user. user_preferences (Data Aggregator), auth_user.preferences (Django '
  'ETL).';
COMMENT ON COLUMN daybook.user_preferences.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.user_preferences.user_id IS
  'Whose they are; with create, who asks where it is absent. Refers to user.';
COMMENT ON COLUMN daybook.user_preferences.dashboard_refresh_interval IS 'In seconds.';
COMMENT ON COLUMN daybook.user_preferences.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.user_preferences.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.user_preferences.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.user_preferences.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX user_preferences_organization_id ON daybook.user_preferences (organization_id);
CREATE INDEX user_preferences_user_id ON daybook.user_preferences (user_id);
CREATE INDEX user_preferences_number ON daybook.user_preferences ((number::integer));
