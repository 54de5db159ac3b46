-- Generated from schema/transformation_function.yaml by tools/generate; only the indexes are written by hand.
-- projection: transformation_functions
-- from: transformation_function
-- summary: A function of the transformation library. transformation_functions (Data Aggregator).

-- section: tables
CREATE TABLE daybook.transformation_functions (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(255),
  display_name    varchar(255),
  description     text,
  category        text,
  function_type   text,
  function_code   text,
  parameters      jsonb,
  example_usage   text,
  is_builtin      boolean,
  is_public       boolean,
  use_count       bigint,
  tags            text[],
  owner_id        uuid,
  version_number  integer,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.transformation_functions IS
  'A function of the transformation library. transformation_functions (Data Aggregator).';
COMMENT ON COLUMN daybook.transformation_functions.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.transformation_functions.category IS 'One of filter, map, aggregate, sort, custom.';
COMMENT ON COLUMN daybook.transformation_functions.function_type IS 'One of python, sql.';
COMMENT ON COLUMN daybook.transformation_functions.is_builtin IS
  'Only administrators make and change what is built in.';
COMMENT ON COLUMN daybook.transformation_functions.is_public IS 'Whether other organizations may use it.';
COMMENT ON COLUMN daybook.transformation_functions.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.transformation_functions.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.transformation_functions.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.transformation_functions.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.transformation_functions.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX transformation_functions_organization_id ON daybook.transformation_functions (organization_id);
CREATE INDEX transformation_functions_owner_id ON daybook.transformation_functions (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX transformation_functions_name ON daybook.transformation_functions (name);
CREATE INDEX transformation_functions_category ON daybook.transformation_functions (category);
CREATE INDEX transformation_functions_is_builtin ON daybook.transformation_functions (is_builtin);
CREATE INDEX transformation_functions_public ON daybook.transformation_functions (name) WHERE is_public OR is_builtin;
CREATE INDEX transformation_functions_number ON daybook.transformation_functions ((number::integer));
CREATE INDEX transformation_functions_shown_category ON daybook.transformation_functions ((category::varchar(100)));
CREATE INDEX transformation_functions_holder ON daybook.transformation_functions ((coalesce(owner_id, created_by)));
