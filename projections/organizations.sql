-- Generated from schema/organization.yaml by tools/generate; only the indexes are written by hand.
-- projection: organizations
-- from: organization
-- summary: A tenant. organizations of ETL Builder and Django ETL; a platform without the notion is one organization.

-- section: tables
CREATE TABLE daybook.organizations (
  id          uuid PRIMARY KEY,
  number      bigint,
  name        varchar(255),
  slug        varchar(100),
  description text,
  settings    jsonb,
  platform    text,
  namespace   text,
  is_active   boolean,
  created_by  uuid,
  created_at  timestamptz,
  updated_at  timestamptz,
  version     bigint,
  deleted_at  timestamptz
);

COMMENT ON TABLE daybook.organizations IS
  'A tenant. organizations of ETL Builder and Django ETL; a platform without the notion is one organization.';
COMMENT ON COLUMN daybook.organizations.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.organizations.platform IS
  'The platform whose rules and schema its rows follow; none for the loosest rules. One of etl_builder, django_etl, '
  'data_aggregator, mecapy, etlab.';
COMMENT ON COLUMN daybook.organizations.namespace IS
  'The OpenLineage job namespace that an administrator''s import made this organization for, as it was sent.';
COMMENT ON COLUMN daybook.organizations.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.organizations.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.organizations.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.organizations.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX organizations_slug ON daybook.organizations (slug);
CREATE INDEX organizations_is_active ON daybook.organizations (is_active);
