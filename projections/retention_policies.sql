-- Generated from schema/retention_policy.yaml by tools/generate; only the indexes are written by hand.
-- projection: retention_policies
-- from: retention_policy
-- summary: How long a class of data is kept. cleanup_expired_data (ETL Builder) and the retention rules of Data
--   Aggregator. An organization's own policy goes before one without organization.

-- section: tables
CREATE TABLE daybook.retention_policies (
  id               uuid PRIMARY KEY,
  number           bigint,
  organization_id  uuid,
  class            text,
  keep_hours       integer,
  by_administrator boolean,
  action           text,
  description      text,
  is_active        boolean,
  created_by       uuid,
  created_at       timestamptz,
  updated_at       timestamptz,
  version          bigint,
  deleted_at       timestamptz
);

COMMENT ON TABLE daybook.retention_policies IS
  'How long a class of data is kept. cleanup_expired_data (ETL Builder) and the retention rules of Data Aggregator. An '
  'organization''s own policy goes before one without organization.';
COMMENT ON COLUMN daybook.retention_policies.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.retention_policies.class IS
  'One of previews, logs, system_logs, facets, sessions, runs, audit.';
COMMENT ON COLUMN daybook.retention_policies.keep_hours IS
  'An organization keeps its audit trail for as long as the platform''s policy says, else 180 days, and its logs for 7 '
  'days, unless the platform''s policy says less; only administrators go below that.';
COMMENT ON COLUMN daybook.retention_policies.by_administrator IS
  'Whether an administrator has set the hours of an organization''s policy, so that no floor raises them.';
COMMENT ON COLUMN daybook.retention_policies.action IS
  'The audit trail is archived and never deleted; everything else is deleted. One of delete, archive.';
COMMENT ON COLUMN daybook.retention_policies.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.retention_policies.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.retention_policies.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.retention_policies.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX retention_policies_organization_id ON daybook.retention_policies (organization_id);
