-- Generated from schema/retention.yaml by tools/generate; only the indexes are written by hand.
-- projection: retentions
-- from: retention
-- summary: What retention sweeps have removed: one record an organization and class of data. cleanup_expired_data
--   (ETL Builder).

-- section: tables
CREATE TABLE daybook.retentions (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  class           text,
  before          timestamptz,
  through         bigint,
  settled_before  timestamptz,
  keys_through    varchar(7),
  kept_months     text[],
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.retentions IS
  'What retention sweeps have removed: one record an organization and class of data. cleanup_expired_data (ETL '
  'Builder).';
COMMENT ON COLUMN daybook.retentions.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.retentions.class IS 'One of previews, logs, system_logs, facets, sessions, runs, audit.';
COMMENT ON COLUMN daybook.retentions.before IS 'What is older was removed.';
COMMENT ON COLUMN daybook.retentions.through IS 'The last position before that time.';
COMMENT ON COLUMN daybook.retentions.settled_before IS
  'Before which time all had gone after the last sweep. What turns up later and is more than a week older waits for a '
  'person.';
COMMENT ON COLUMN daybook.retentions.keys_through IS 'The last month whose key was destroyed.';
COMMENT ON COLUMN daybook.retentions.kept_months IS 'Months up to that one whose key was kept.';
COMMENT ON COLUMN daybook.retentions.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.retentions.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.retentions.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.retentions.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX retentions_organization_id ON daybook.retentions (organization_id);
