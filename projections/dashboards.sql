-- Generated from schema/dashboard.yaml by tools/generate; only the indexes are written by hand.
-- projection: dashboards
-- from: dashboard
-- summary: A person's layout of widgets. dashboard_layouts (Data Aggregator; `version` is version_number).

-- section: tables
CREATE TABLE daybook.dashboards (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  user_id         uuid,
  name            varchar(255),
  description     text,
  layout_config   jsonb,
  is_default      boolean,
  is_shared       boolean,
  version_number  integer,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.dashboards IS
  'A person''s layout of widgets. dashboard_layouts (Data Aggregator; `version` is version_number).';
COMMENT ON COLUMN daybook.dashboards.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.dashboards.user_id IS 'Whose it is; the caller''s where it is not given. Refers to user.';
COMMENT ON COLUMN daybook.dashboards.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.dashboards.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.dashboards.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.dashboards.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX dashboards_organization_id ON daybook.dashboards (organization_id);
CREATE INDEX dashboards_user_id ON daybook.dashboards (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX dashboards_is_default ON daybook.dashboards (is_default);
CREATE INDEX dashboards_number ON daybook.dashboards ((number::integer));
CREATE INDEX dashboards_holder ON daybook.dashboards ((coalesce(user_id, created_by)));
