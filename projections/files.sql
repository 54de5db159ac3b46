-- Generated from schema/file.yaml by tools/generate; only the indexes are written by hand.
-- projection: files
-- from: file
-- summary: A file that somebody uploaded; its bytes are in an object store. file_uploads (Data Aggregator),
--   user_files (MecaPy: `content_type` is mime_type, `user_id` is owner_id).

-- section: tables
CREATE TABLE daybook.files (
  id                uuid PRIMARY KEY,
  number            bigint,
  organization_id   uuid,
  filename          varchar(255),
  original_filename varchar(255),
  file_path         varchar(500),
  file_type         varchar(50),
  file_size         bigint,
  mime_type         varchar(100),
  file_hash         varchar(64),
  status            text,
  upload_progress   integer,
  total_chunks      integer,
  uploaded_chunks   integer,
  received_chunks   jsonb,
  metadata          jsonb,
  is_temporary      boolean,
  is_public         boolean,
  expires_at        timestamptz,
  description       varchar(1000),
  s3_key            varchar(500),
  s3_bucket         varchar(100),
  s3_url            varchar(1000),
  uploaded_at       timestamptz,
  duplicate_of      uuid,
  error_message     text,
  owner_id          uuid,
  pipeline_id       uuid,
  created_by        uuid,
  created_at        timestamptz,
  updated_at        timestamptz,
  version           bigint,
  deleted_at        timestamptz
);

COMMENT ON TABLE daybook.files IS
  'A file that somebody uploaded; its bytes are in an object store. file_uploads (Data Aggregator), user_files '
  '(MecaPy: `content_type` is mime_type, `user_id` is owner_id).';
COMMENT ON COLUMN daybook.files.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.files.file_type IS 'csv, json, xml, excel and the like.';
COMMENT ON COLUMN daybook.files.file_size IS 'In bytes.';
COMMENT ON COLUMN daybook.files.file_hash IS 'SHA-256 of the content, in hexadecimal.';
COMMENT ON COLUMN daybook.files.status IS 'One of uploading, uploaded, processing, completed, failed.';
COMMENT ON COLUMN daybook.files.received_chunks IS
  'Which chunks are there, as ranges of indexes from 0: [[0, 7], [9, 9]].';
COMMENT ON COLUMN daybook.files.s3_url IS
  'Without a password or a signature: a link that carries one is made anew where it is used.';
COMMENT ON COLUMN daybook.files.duplicate_of IS
  'An earlier file of the organization with the same content. Refers to file.';
COMMENT ON COLUMN daybook.files.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.files.pipeline_id IS 'Refers to pipeline.';
COMMENT ON COLUMN daybook.files.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.files.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.files.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.files.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX files_organization_id ON daybook.files (organization_id);
CREATE INDEX files_duplicate_of ON daybook.files (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX files_pipeline_id ON daybook.files (pipeline_id) WHERE pipeline_id IS NOT NULL;
CREATE INDEX files_owner_id_uploaded_at ON daybook.files (owner_id, (coalesce(uploaded_at, created_at)) DESC);
CREATE INDEX files_file_hash_file_size ON daybook.files (file_hash, file_size);
CREATE INDEX files_s3_key ON daybook.files (s3_key) WHERE s3_key IS NOT NULL;
CREATE INDEX files_expires_at ON daybook.files (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX files_status ON daybook.files (status);
CREATE INDEX files_number ON daybook.files ((number::integer));
CREATE INDEX files_holder ON daybook.files ((coalesce(owner_id, created_by)));
CREATE INDEX files_shown_status ON daybook.files ((status::varchar(50)));
CREATE INDEX files_shown_s3_key ON daybook.files ((coalesce(s3_key, '!')::varchar(500)));
CREATE INDEX files_expires_at_in_utc ON daybook.files ((expires_at AT TIME ZONE 'UTC')) WHERE expires_at IS NOT NULL;
