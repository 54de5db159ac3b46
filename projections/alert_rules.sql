-- Generated from schema/alert_rule.yaml by tools/generate; only the indexes are written by hand.
-- projection: alert_rules
-- from: alert_rule
-- summary: When a measurement becomes an alert. alert_rules (Data Aggregator).

-- section: tables
CREATE TABLE daybook.alert_rules (
  id                    uuid PRIMARY KEY,
  number                bigint,
  organization_id       uuid,
  name                  varchar(255),
  description           text,
  metric                varchar(100),
  threshold             double precision,
  operator              text,
  severity              text,
  is_active             boolean,
  cooldown_minutes      integer,
  notification_channels text[],
  escalation_policy_id  uuid,
  pipeline_id           uuid,
  owner_id              uuid,
  last_fired_at         timestamptz,
  open_alert_id         uuid,
  created_by            uuid,
  created_at            timestamptz,
  updated_at            timestamptz,
  version               bigint,
  deleted_at            timestamptz
);

COMMENT ON TABLE daybook.alert_rules IS 'When a measurement becomes an alert. alert_rules (Data Aggregator).';
COMMENT ON COLUMN daybook.alert_rules.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.alert_rules.metric IS
  'What is measured. A run''s end gives run_failed (1, or 0 for success), run_duration_seconds, rows_processed, '
  'data_size_bytes and every number of its metrics; run.measure and task_run.measure give what they are told '
  '(rows_input, rows_output, rows_filtered, rows_error, data_size_bytes, duration_seconds, memory_peak_mb, '
  'cpu_percent); evaluate gives any name.';
COMMENT ON COLUMN daybook.alert_rules.operator IS 'One of gt, gte, lt, lte, eq.';
COMMENT ON COLUMN daybook.alert_rules.severity IS 'One of low, medium, high, critical.';
COMMENT ON COLUMN daybook.alert_rules.escalation_policy_id IS 'Refers to escalation_policy.';
COMMENT ON COLUMN daybook.alert_rules.pipeline_id IS
  'The only pipeline that it watches; all of the organization where there is none. Refers to pipeline.';
COMMENT ON COLUMN daybook.alert_rules.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.alert_rules.open_alert_id IS
  'The alert that it raised and that is neither resolved nor closed.';
COMMENT ON COLUMN daybook.alert_rules.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.alert_rules.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.alert_rules.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.alert_rules.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX alert_rules_organization_id ON daybook.alert_rules (organization_id);
CREATE INDEX alert_rules_escalation_policy_id ON daybook.alert_rules (escalation_policy_id) WHERE escalation_policy_id IS NOT NULL;
CREATE INDEX alert_rules_pipeline_id ON daybook.alert_rules (pipeline_id) WHERE pipeline_id IS NOT NULL;
CREATE INDEX alert_rules_owner_id ON daybook.alert_rules (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX alert_rules_metric ON daybook.alert_rules (metric);
CREATE INDEX alert_rules_is_active ON daybook.alert_rules (is_active);
CREATE INDEX alert_rules_number ON daybook.alert_rules ((number::integer));
CREATE INDEX alert_rules_holder ON daybook.alert_rules ((coalesce(owner_id, created_by)));
