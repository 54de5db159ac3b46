-- projection: audit_trail
-- events: *
-- opens: reason, origin
-- removes: retention.swept
-- summary: Who did what, when, to which resource, with every field before and after: one row an event. audit_trail (ETL Builder).

-- section: tables
CREATE TABLE daybook.audit_trail (
  id              bigint PRIMARY KEY,
  event_id        uuid,
  at              timestamptz,
  actor           text,
  user_id         uuid,
  organization_id uuid,
  action          text,
  event           text,
  resource_type   text,
  resource_id     uuid,
  version         bigint,
  changes         jsonb,
  correlation     text,
  causation       uuid
);

-- Why and from where: unlogged, so that no value ever enters the write-ahead log or a replica.
CREATE UNLOGGED TABLE personal.audit_trail (
  id            bigint PRIMARY KEY,
  reason        text,
  reason_folded text,
  ip            inet,
  user_agent    text,
  about         uuid[],
  given_in      uuid[],
  is_refusal    boolean
);

COMMENT ON TABLE daybook.audit_trail IS 'Who did what, when, to which resource, with every field before and after.';
COMMENT ON COLUMN daybook.audit_trail.id IS 'The event''s position in the log: 1, 2, 3 … without a gap.';
COMMENT ON COLUMN daybook.audit_trail.event_id IS 'The event''s own id.';
COMMENT ON COLUMN daybook.audit_trail.actor IS 'user:<uuid>, api_key:<uuid>, local:<uid> or server.';
COMMENT ON COLUMN daybook.audit_trail.user_id IS
  'The acting user: where a user acted, or an API key on their behalf; actor is the key then.';
COMMENT ON COLUMN daybook.audit_trail.action IS 'One of create, read, update, delete, execute.';
COMMENT ON COLUMN daybook.audit_trail.event IS 'The event''s name, such as pipeline.edited.';
COMMENT ON COLUMN daybook.audit_trail.version IS 'The version of the resource that the event made.';
COMMENT ON COLUMN daybook.audit_trail.changes IS
  'Each field that was set: {"field": {"from": before, "to": after}}. Personal and secret values are sealed tokens.';
COMMENT ON COLUMN daybook.audit_trail.correlation IS 'What the caller gave to correlate it with.';
COMMENT ON COLUMN daybook.audit_trail.causation IS 'The id of the event that caused this one.';
COMMENT ON COLUMN personal.audit_trail.reason_folded IS
  'How reason is searched, folded by Unicode; NULL where that is lower(reason COLLATE "C").';
COMMENT ON COLUMN personal.audit_trail.about IS 'The persons whom the reason speaks of, besides who gave it.';
COMMENT ON COLUMN personal.audit_trail.given_in IS
  'Of an event of somebody''s account: the organizations in which the reason was given.';

-- section: indexes
CREATE INDEX audit_trail_user_id ON daybook.audit_trail (user_id, id);
CREATE INDEX audit_trail_organization_id ON daybook.audit_trail (organization_id, id);
CREATE INDEX audit_trail_at ON daybook.audit_trail (at DESC);
-- An id is unique over all resource types, so a look-up by type and id needs only the id.
CREATE INDEX audit_trail_resource_id ON daybook.audit_trail (resource_id, id);
CREATE INDEX audit_trail_actor ON daybook.audit_trail (actor, id);

-- section: fill
INSERT INTO daybook.audit_trail (
  id, event_id, at, actor, user_id, organization_id, action, event, resource_type, resource_id, version, changes,
  correlation, causation)
SELECT
  position, event_id, at, actor, user_id, organization_id, action, event, resource_type, resource_id, version, changes,
  correlation, causation
FROM staged_events;

-- section: fill opened
INSERT INTO personal.audit_trail (id, reason, reason_folded, ip, user_agent, about, given_in, is_refusal)
SELECT
  (e ->> 'position')::bigint,
  e ->> 'reason',
  e ->> 'reason_folded',
  (e #>> '{origin,ip}')::inet,
  e #>> '{origin,user_agent}',
  ARRAY(SELECT jsonb_array_elements_text(e -> 'about'))::uuid[],
  ARRAY(SELECT jsonb_array_elements_text(e -> 'given_in'))::uuid[],
  e ->> 'event' = 'session.refused'
FROM jsonb_array_elements($1::jsonb) AS e;

-- section: remove
-- Where strangers were refused from is sealed for a time only.
DELETE FROM personal.audit_trail AS t USING jsonb_array_elements($1::jsonb) AS e
WHERE e #>> '{data,class}' = 'sessions' AND e ->> 'organization_id' IS NULL
  AND t.is_refusal AND t.id <= (e #>> '{data,through}')::bigint;
