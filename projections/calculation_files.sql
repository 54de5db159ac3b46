-- Generated from schema/calculation_file.yaml by tools/generate; only the indexes are written by hand.
-- projection: calculation_files
-- from: calculation_file
-- summary: A file that a calculation reads, and as what. calculation_files (MecaPy; `file_role` is role, `added_at`
--   is created_at).

-- section: tables
CREATE TABLE daybook.calculation_files (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  calculation_id  uuid,
  file_id         uuid,
  role            varchar(50),
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.calculation_files IS
  'A file that a calculation reads, and as what. calculation_files (MecaPy; `file_role` is role, `added_at` is '
  'created_at).';
COMMENT ON COLUMN daybook.calculation_files.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.calculation_files.calculation_id IS 'Refers to calculation.';
COMMENT ON COLUMN daybook.calculation_files.file_id IS 'Refers to file.';
COMMENT ON COLUMN daybook.calculation_files.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.calculation_files.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.calculation_files.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.calculation_files.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX calculation_files_organization_id ON daybook.calculation_files (organization_id);
CREATE INDEX calculation_files_calculation_id ON daybook.calculation_files (calculation_id);
CREATE INDEX calculation_files_file_id ON daybook.calculation_files (file_id);
