-- Generated from schema/alert.yaml by tools/generate; only the indexes are written by hand.
-- projection: alerts
-- from: alert
-- summary: Something that a person should know of. alerts (Django ETL: level and alert_type, is_resolved is status;
--   Data Aggregator: severity, status, escalation). Both platforms' words for how bad it is keep their own field.

-- section: tables
CREATE TABLE daybook.alerts (
  id                 uuid PRIMARY KEY,
  number             bigint,
  organization_id    uuid,
  rule_id            uuid,
  run_id             uuid,
  task_run_id        uuid,
  level              text,
  severity           text,
  alert_type         text,
  status             text,
  message            text,
  context            jsonb,
  metric             varchar(100),
  metric_value       double precision,
  acknowledged_by    uuid,
  acknowledged_at    timestamptz,
  resolved_by        uuid,
  resolved_at        timestamptz,
  resolution_type    text,
  closed_at          timestamptz,
  escalation_level   integer,
  last_escalated_at  timestamptz,
  next_escalation_at timestamptz,
  notifications_sent jsonb,
  created_by         uuid,
  created_at         timestamptz,
  updated_at         timestamptz,
  version            bigint,
  deleted_at         timestamptz
);

COMMENT ON TABLE daybook.alerts IS
  'Something that a person should know of. alerts (Django ETL: level and alert_type, is_resolved is status; Data '
  'Aggregator: severity, status, escalation). Both platforms'' words for how bad it is keep their own field.';
COMMENT ON COLUMN daybook.alerts.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.alerts.rule_id IS 'Refers to alert_rule.';
COMMENT ON COLUMN daybook.alerts.run_id IS 'Refers to run.';
COMMENT ON COLUMN daybook.alerts.task_run_id IS 'Refers to task_run.';
COMMENT ON COLUMN daybook.alerts.level IS 'One of info, warning, error, critical.';
COMMENT ON COLUMN daybook.alerts.severity IS 'One of low, medium, high, critical.';
COMMENT ON COLUMN daybook.alerts.alert_type IS
  'One of task_failed, pipeline_failed, performance_degradation, resource_exhaustion, data_quality.';
COMMENT ON COLUMN daybook.alerts.status IS 'One of active, acknowledged, resolved, closed.';
COMMENT ON COLUMN daybook.alerts.context IS 'metadata in Django ETL.';
COMMENT ON COLUMN daybook.alerts.acknowledged_by IS 'Refers to user.';
COMMENT ON COLUMN daybook.alerts.resolved_by IS 'Refers to user.';
COMMENT ON COLUMN daybook.alerts.resolution_type IS 'One of manual, auto.';
COMMENT ON COLUMN daybook.alerts.next_escalation_at IS
  'When the rule''s escalation policy tells the next, unless somebody acknowledges it before.';
COMMENT ON COLUMN daybook.alerts.notifications_sent IS
  'For each of the latest 50 escalations {level, at, channels, user_ids}; everybody is true where all of the '
  'organization were told.';
COMMENT ON COLUMN daybook.alerts.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.alerts.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.alerts.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.alerts.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX alerts_organization_id_status ON daybook.alerts (organization_id, status);
CREATE INDEX alerts_rule_id ON daybook.alerts (rule_id) WHERE rule_id IS NOT NULL;
CREATE INDEX alerts_next_escalation_at ON daybook.alerts (next_escalation_at) WHERE status = 'active' AND next_escalation_at IS NOT NULL;
CREATE INDEX alerts_run_id ON daybook.alerts (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX alerts_task_run_id ON daybook.alerts (task_run_id) WHERE task_run_id IS NOT NULL;
CREATE INDEX alerts_level_created_at ON daybook.alerts (level, created_at DESC);
CREATE INDEX alerts_severity ON daybook.alerts (severity);
CREATE INDEX alerts_status ON daybook.alerts (status);
CREATE INDEX alerts_alert_type ON daybook.alerts (alert_type);
CREATE INDEX alerts_created_at ON daybook.alerts (created_at DESC);
CREATE INDEX alerts_number ON daybook.alerts ((number::integer));
CREATE INDEX alerts_shown_level ON daybook.alerts ((level::varchar(20)));
CREATE INDEX alerts_shown_alert_type ON daybook.alerts ((alert_type::varchar(50)));
CREATE INDEX alerts_is_resolved ON daybook.alerts ((status IN ('resolved', 'closed')));
CREATE INDEX alerts_shown_status ON daybook.alerts ((status::varchar(20)));
CREATE INDEX alerts_shown_severity ON daybook.alerts ((severity::varchar(20)));
CREATE INDEX alerts_created_at_in_utc ON daybook.alerts ((created_at AT TIME ZONE 'UTC'));
CREATE INDEX alerts_acknowledged_by ON daybook.alerts (acknowledged_by) WHERE acknowledged_by IS NOT NULL;
CREATE INDEX alerts_resolved_by ON daybook.alerts (resolved_by) WHERE resolved_by IS NOT NULL;
