-- Generated from schema/calculation.yaml by tools/generate; only the indexes are written by hand.
-- projection: calculations
-- from: calculation
-- summary: A run of stored code by a person. calculations (MecaPy; `completed` is success).

-- section: tables
CREATE TABLE daybook.calculations (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  user_id         uuid,
  tool_id         uuid,
  name            varchar(200),
  description     varchar(2000),
  status          text,
  started_at      timestamptz,
  completed_at    timestamptz,
  code            varchar(10000),
  parameters      jsonb,
  result_data     jsonb,
  error_message   varchar(2000),
  execution_time  double precision,
  memory_used     integer,
  cpu_time        double precision,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.calculations IS
  'A run of stored code by a person. calculations (MecaPy; `completed` is success).';
COMMENT ON COLUMN daybook.calculations.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.calculations.user_id IS 'The acting person where nobody is named. Refers to user.';
COMMENT ON COLUMN daybook.calculations.tool_id IS 'The tool whose code it runs. Refers to tool.';
COMMENT ON COLUMN daybook.calculations.status IS 'One of pending, running, success, failed, cancelled.';
COMMENT ON COLUMN daybook.calculations.code IS
  'Never missing; where only a tool is named, its code_template as it is then.';
COMMENT ON COLUMN daybook.calculations.parameters IS
  'At most 5,000 characters: of a text its own, of other JSON those of its shortest text.';
COMMENT ON COLUMN daybook.calculations.result_data IS 'At most 50,000 characters, counted in the same way.';
COMMENT ON COLUMN daybook.calculations.execution_time IS 'In seconds.';
COMMENT ON COLUMN daybook.calculations.memory_used IS 'In MB.';
COMMENT ON COLUMN daybook.calculations.cpu_time IS 'In seconds of a CPU.';
COMMENT ON COLUMN daybook.calculations.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.calculations.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.calculations.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.calculations.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX calculations_organization_id ON daybook.calculations (organization_id);
CREATE INDEX calculations_tool_id ON daybook.calculations (tool_id) WHERE tool_id IS NOT NULL;
CREATE INDEX calculations_user_id_status_created_at ON daybook.calculations (user_id, status, created_at DESC);
CREATE INDEX calculations_status ON daybook.calculations (status);
CREATE INDEX calculations_created_at ON daybook.calculations (created_at DESC);
CREATE INDEX calculations_number ON daybook.calculations ((number::integer));
