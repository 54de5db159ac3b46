-- Generated from schema/tool.yaml by tools/generate; only the indexes are written by hand.
-- projection: tools
-- from: tool
-- summary: A scientific tool, code and the container that runs it. tools (MecaPy; `version` is version_label).

-- section: tables
CREATE TABLE daybook.tools (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(100),
  display_name    varchar(200),
  description     varchar(2000),
  version_label   varchar(20),
  code_template   varchar(10000),
  docker_image    varchar(200),
  memory_limit    integer,
  cpu_limit       double precision,
  timeout         integer,
  is_active       boolean,
  author_id       uuid,
  version_number  integer,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.tools IS
  'A scientific tool, code and the container that runs it. tools (MecaPy; `version` is version_label).';
COMMENT ON COLUMN daybook.tools.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.tools.version_label IS 'The version''s name as its author gave it.';
COMMENT ON COLUMN daybook.tools.memory_limit IS 'In MB.';
COMMENT ON COLUMN daybook.tools.cpu_limit IS 'In cores.';
COMMENT ON COLUMN daybook.tools.timeout IS 'In seconds.';
COMMENT ON COLUMN daybook.tools.author_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.tools.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.tools.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.tools.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.tools.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX tools_organization_id ON daybook.tools (organization_id);
CREATE INDEX tools_author_id ON daybook.tools (author_id) WHERE author_id IS NOT NULL;
CREATE INDEX tools_name ON daybook.tools (name);
CREATE INDEX tools_is_active ON daybook.tools (is_active);
CREATE INDEX tools_number ON daybook.tools ((number::integer));
