-- Generated from schema/pipeline_template.yaml by tools/generate; only the indexes are written by hand.
-- projection: pipeline_templates
-- from: pipeline_template
-- summary: What new pipelines are made from. pipeline_templates (Data Aggregator).

-- section: tables
CREATE TABLE daybook.pipeline_templates (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(255),
  description     text,
  category        text,
  template_config jsonb,
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

COMMENT ON TABLE daybook.pipeline_templates IS
  'What new pipelines are made from. pipeline_templates (Data Aggregator).';
COMMENT ON COLUMN daybook.pipeline_templates.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.pipeline_templates.category IS 'One of etl, elt, quality, streaming.';
COMMENT ON COLUMN daybook.pipeline_templates.template_config IS
  'Fields of the pipeline that it makes; other members join its config.';
COMMENT ON COLUMN daybook.pipeline_templates.is_builtin IS 'Only administrators make and change what is built in.';
COMMENT ON COLUMN daybook.pipeline_templates.is_public IS 'Whether other organizations may use it.';
COMMENT ON COLUMN daybook.pipeline_templates.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.pipeline_templates.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.pipeline_templates.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.pipeline_templates.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.pipeline_templates.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX pipeline_templates_organization_id ON daybook.pipeline_templates (organization_id);
CREATE INDEX pipeline_templates_owner_id ON daybook.pipeline_templates (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX pipeline_templates_category ON daybook.pipeline_templates (category);
CREATE INDEX pipeline_templates_is_builtin ON daybook.pipeline_templates (is_builtin);
CREATE INDEX pipeline_templates_use_count ON daybook.pipeline_templates (use_count);
CREATE INDEX pipeline_templates_public ON daybook.pipeline_templates (name) WHERE is_public OR is_builtin;
CREATE INDEX pipeline_templates_number ON daybook.pipeline_templates ((number::integer));
CREATE INDEX pipeline_templates_shown_category ON daybook.pipeline_templates ((category::varchar(100)));
CREATE INDEX pipeline_templates_shown_use_count ON daybook.pipeline_templates ((CASE WHEN use_count > 2147483647 THEN 2147483647 ELSE use_count END::integer));
CREATE INDEX pipeline_templates_holder ON daybook.pipeline_templates ((coalesce(owner_id, created_by)));
