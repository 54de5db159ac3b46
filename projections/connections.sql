-- Generated from schema/connection.yaml by tools/generate; only the indexes are written by hand.
-- projection: connections
-- from: connection
-- summary: How to reach a source, a destination or a cluster. connections (ETL Builder), connectors (Django ETL, Data
--   Aggregator: `connector_type`), SparkConnection (ETLab: `connection_type`, `user_id` is owner_id).

-- section: tables
CREATE TABLE daybook.connections (
  id                uuid PRIMARY KEY,
  number            bigint,
  organization_id   uuid,
  name              varchar(255),
  type              text,
  description       text,
  config            jsonb,
  credential_id     uuid,
  owner_id          uuid,
  is_active         boolean,
  is_default        boolean,
  last_tested_at    timestamptz,
  last_test_status  text,
  last_test_message text,
  created_by        uuid,
  created_at        timestamptz,
  updated_at        timestamptz,
  version           bigint,
  deleted_at        timestamptz
);

COMMENT ON TABLE daybook.connections IS
  'How to reach a source, a destination or a cluster. connections (ETL Builder), connectors (Django ETL, Data '
  'Aggregator: `connector_type`), SparkConnection (ETLab: `connection_type`, `user_id` is owner_id).';
COMMENT ON COLUMN daybook.connections.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.connections.type IS
  'One of the known types, or any other word, where the platform''s document has no closed list. One of postgres, '
  'mysql, mongodb, sqlite, s3, minio, gcs, azure_blob, rest_api, graphql, soap, kafka, rabbitmq, csv, json, excel, '
  'parquet, database, api, file, cloud, local, standalone, yarn, kubernetes, databricks, livy.';
COMMENT ON COLUMN daybook.connections.config IS
  'What its type needs; the Spark types (local, standalone, yarn, kubernetes, databricks, livy) are checked member by '
  'member. Secret members are sealed.';
COMMENT ON COLUMN daybook.connections.credential_id IS 'Refers to credential.';
COMMENT ON COLUMN daybook.connections.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.connections.is_default IS
  'At most one of its owner, or, without an owner, of its organization.';
COMMENT ON COLUMN daybook.connections.last_test_status IS 'One of success, failed, pending.';
COMMENT ON COLUMN daybook.connections.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.connections.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.connections.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.connections.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX connections_organization_id_type ON daybook.connections (organization_id, type);
CREATE INDEX connections_organization_id_name ON daybook.connections (organization_id, name);
CREATE INDEX connections_type ON daybook.connections (type);
CREATE INDEX connections_is_active ON daybook.connections (is_active);
CREATE INDEX connections_owner_id ON daybook.connections (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX connections_created_by ON daybook.connections (created_by);
CREATE INDEX connections_credential_id ON daybook.connections (credential_id) WHERE credential_id IS NOT NULL;
CREATE INDEX connections_number ON daybook.connections ((number::integer));
CREATE INDEX connections_holder ON daybook.connections ((coalesce(owner_id, created_by)));
CREATE INDEX connections_shown_type ON daybook.connections ((type::varchar(100)));
CREATE INDEX connections_documented_type ON daybook.connections (((CASE type WHEN 'postgres' THEN 'postgresql' ELSE type END)::varchar(100)));
