-- Generated from schema/file_job.yaml by tools/generate; only the indexes are written by hand.
-- projection: file_jobs
-- from: file_job
-- summary: Work on a file in the background. file_processing_jobs (Data Aggregator; `completed` is success).

-- section: tables
CREATE TABLE daybook.file_jobs (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  file_id         uuid,
  job_type        text,
  status          text,
  progress        integer,
  result_data     jsonb,
  error_message   text,
  output_file_id  uuid,
  started_at      timestamptz,
  completed_at    timestamptz,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.file_jobs IS
  'Work on a file in the background. file_processing_jobs (Data Aggregator; `completed` is success).';
COMMENT ON COLUMN daybook.file_jobs.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.file_jobs.file_id IS 'Refers to file.';
COMMENT ON COLUMN daybook.file_jobs.job_type IS 'One of validation, conversion, extraction.';
COMMENT ON COLUMN daybook.file_jobs.status IS 'One of pending, running, success, failed.';
COMMENT ON COLUMN daybook.file_jobs.output_file_id IS 'Refers to file.';
COMMENT ON COLUMN daybook.file_jobs.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.file_jobs.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.file_jobs.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.file_jobs.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX file_jobs_organization_id ON daybook.file_jobs (organization_id);
CREATE INDEX file_jobs_file_id ON daybook.file_jobs (file_id);
CREATE INDEX file_jobs_output_file_id ON daybook.file_jobs (output_file_id) WHERE output_file_id IS NOT NULL;
CREATE INDEX file_jobs_status ON daybook.file_jobs (status);
CREATE INDEX file_jobs_number ON daybook.file_jobs ((number::integer));
