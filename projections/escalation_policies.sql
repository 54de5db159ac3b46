-- Generated from schema/escalation_policy.yaml by tools/generate; only the indexes are written by hand.
-- projection: escalation_policies
-- from: escalation_policy
-- summary: Who is told when an alert stays open. alert_escalation_policies (Data Aggregator).

-- section: tables
CREATE TABLE daybook.escalation_policies (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(255),
  description     text,
  levels          jsonb,
  is_active       boolean,
  owner_id        uuid,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.escalation_policies IS
  'Who is told when an alert stays open. alert_escalation_policies (Data Aggregator).';
COMMENT ON COLUMN daybook.escalation_policies.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.escalation_policies.owner_id IS 'Refers to user.';
COMMENT ON COLUMN daybook.escalation_policies.created_by IS
  'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.escalation_policies.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.escalation_policies.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.escalation_policies.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX escalation_policies_organization_id ON daybook.escalation_policies (organization_id);
CREATE INDEX escalation_policies_owner_id ON daybook.escalation_policies (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX escalation_policies_number ON daybook.escalation_policies ((number::integer));
CREATE INDEX escalation_policies_holder ON daybook.escalation_policies ((coalesce(owner_id, created_by)));
