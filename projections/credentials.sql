-- Generated from schema/credential.yaml by tools/generate; only the indexes are written by hand.
-- projection: credentials
-- from: credential
-- summary: Secrets that connections use. credentials (Django ETL); encrypted_data is data, sealed with the
--   organization's key.

-- section: tables
CREATE TABLE daybook.credentials (
  id                uuid PRIMARY KEY,
  number            bigint,
  organization_id   uuid,
  name              varchar(255),
  data              text,
  encryption_key_id varchar(255),
  expires_at        timestamptz,
  rotated_at        timestamptz,
  expiry_warned_for timestamptz,
  created_by        uuid,
  created_at        timestamptz,
  updated_at        timestamptz,
  version           bigint,
  deleted_at        timestamptz
);

COMMENT ON TABLE daybook.credentials IS
  'Secrets that connections use. credentials (Django ETL); encrypted_data is data, sealed with the organization''s '
  'key.';
COMMENT ON COLUMN daybook.credentials.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.credentials.data IS 'Changed by rotate; shown only by reveal.';
COMMENT ON COLUMN daybook.credentials.expiry_warned_for IS 'The expiry of which its organization has been told.';
COMMENT ON COLUMN daybook.credentials.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.credentials.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.credentials.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.credentials.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX credentials_organization_id ON daybook.credentials (organization_id);
CREATE INDEX credentials_expires_at ON daybook.credentials (expires_at) WHERE expires_at IS NOT NULL;
