-- Generated from schema/transformation.yaml by tools/generate; only the indexes are written by hand.
-- projection: transformations
-- from: transformation
-- summary: A transformation of data with its code or configuration. transformations (Data Aggregator).

-- section: tables
CREATE TABLE daybook.transformations (
  id                  uuid PRIMARY KEY,
  number              bigint,
  organization_id     uuid,
  name                varchar(255),
  transformation_type varchar(100),
  transformation_code text,
  config              jsonb,
  is_active           boolean,
  owner_id            uuid,
  version_number      integer,
  created_by          uuid,
  created_at          timestamptz,
  updated_at          timestamptz,
  version             bigint,
  deleted_at          timestamptz
);

COMMENT ON TABLE daybook.transformations IS
  'A transformation of data with its code or configuration. transformations (Data Aggregator).';
COMMENT ON COLUMN daybook.transformations.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.transformations.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.transformations.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.transformations.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.transformations.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.transformations.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX transformations_organization_id ON daybook.transformations (organization_id);
CREATE INDEX transformations_owner_id ON daybook.transformations (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX transformations_transformation_type ON daybook.transformations (transformation_type);
CREATE INDEX transformations_number ON daybook.transformations ((number::integer));
CREATE INDEX transformations_holder ON daybook.transformations ((coalesce(owner_id, created_by)));
