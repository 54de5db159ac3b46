-- Generated from schema/module_template.yaml by tools/generate; only the indexes are written by hand.
-- projection: module_templates
-- from: module_template
-- summary: A reusable kind of node with the JSON Schema of its configuration. module_templates (ETL Builder;
--   `usage_count` is use_count).

-- section: tables
CREATE TABLE daybook.module_templates (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(255),
  description     text,
  category        text,
  type            varchar(100),
  config_schema   jsonb,
  default_config  jsonb,
  icon            varchar(100),
  color           varchar(20),
  is_public       boolean,
  is_active       boolean,
  use_count       bigint,
  version_number  integer,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.module_templates IS
  'A reusable kind of node with the JSON Schema of its configuration. module_templates (ETL Builder; `usage_count` is '
  'use_count).';
COMMENT ON COLUMN daybook.module_templates.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.module_templates.category IS 'One of extractor, transformer, loader.';
COMMENT ON COLUMN daybook.module_templates.config_schema IS
  'JSON Schema (2020-12) of a node''s configuration. Checked are type, enum, const, properties, patternProperties, '
  'required, additionalProperties, propertyNames, minProperties, maxProperties, dependentRequired, dependentSchemas, '
  'prefixItems, items, contains, minContains, maxContains, minItems, maxItems, uniqueItems, minimum, maximum, '
  'exclusiveMinimum, exclusiveMaximum, multipleOf, minLength, maxLength, pattern (without references to groups and '
  'looking around), anyOf, allOf, oneOf, not, if, then, else, and $ref to #/$defs/NAME or #/definitions/NAME; title, '
  'description, default, format and examples say something and check nothing. Every other keyword is refused.';
COMMENT ON COLUMN daybook.module_templates.default_config IS
  'Must satisfy config_schema; fills in what a node''s own configuration leaves out.';
COMMENT ON COLUMN daybook.module_templates.is_public IS 'Whether other organizations may use it.';
COMMENT ON COLUMN daybook.module_templates.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.module_templates.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.module_templates.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.module_templates.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX module_templates_organization_id ON daybook.module_templates (organization_id);
CREATE INDEX module_templates_category ON daybook.module_templates (category);
CREATE INDEX module_templates_type ON daybook.module_templates (type);
CREATE INDEX module_templates_public ON daybook.module_templates (name) WHERE is_public;
CREATE INDEX module_templates_created_by ON daybook.module_templates (created_by);
CREATE INDEX module_templates_shown_category ON daybook.module_templates ((category::varchar(100)));
