-- Generated from schema/notification.yaml by tools/generate; only the indexes are written by hand.
-- projection: notifications
-- from: notification
-- summary: Something told to a person, or to all of an organization. notifications (ETL Builder).

-- section: tables
CREATE TABLE daybook.notifications (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  user_id         uuid,
  type            text,
  title           varchar(255),
  message         text,
  resource_type   varchar(100),
  resource_id     uuid,
  is_read         boolean,
  read_at         timestamptz,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.notifications IS
  'Something told to a person, or to all of an organization. notifications (ETL Builder).';
COMMENT ON COLUMN daybook.notifications.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.notifications.user_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.notifications.type IS 'One of pipeline_failed, pipeline_success, alert, info, warning.';
COMMENT ON COLUMN daybook.notifications.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.notifications.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.notifications.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.notifications.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX notifications_organization_id ON daybook.notifications (organization_id);
CREATE INDEX notifications_user_id ON daybook.notifications (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX notifications_is_read ON daybook.notifications (is_read);
CREATE INDEX notifications_created_at ON daybook.notifications (created_at DESC);
