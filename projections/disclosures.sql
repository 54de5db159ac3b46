-- projection: disclosures
-- events: access.read
-- summary: Whose personal data was shown to others, one row a person and event; the event's row in audit_trail says to whom, when and in which
--   organization. Nobody reads it by SQL: it is for officers, auditors and administrators, who ask the service.

-- section: tables
CREATE TABLE daybook.disclosures (
  id        bigint PRIMARY KEY,
  position  bigint,
  person_id uuid,
  purpose   text,
  reads     bigint
);

COMMENT ON TABLE daybook.disclosures IS 'Whose personal data was shown to others, one row a person and event.';
COMMENT ON COLUMN daybook.disclosures.id IS 'The position of the event × 2^20 + the person''s place in it, from 0.';
COMMENT ON COLUMN daybook.disclosures.position IS 'The position of the event: its row in audit_trail.';
COMMENT ON COLUMN daybook.disclosures.person_id IS
  'NULL for persons who are counted and not named, since there were too many to be told apart.';
COMMENT ON COLUMN daybook.disclosures.purpose IS
  'One of profile, list, history, audit, subject_report, subject_find: by what methods.';
COMMENT ON COLUMN daybook.disclosures.reads IS 'How often within the event''s hour, as far as no earlier event has told.';

-- section: indexes
CREATE INDEX disclosures_person_id ON daybook.disclosures (person_id, position);
CREATE INDEX disclosures_position ON daybook.disclosures (position);

-- section: fill
INSERT INTO daybook.disclosures (id, position, person_id, purpose, reads)
SELECT
  (e.position << 20) + person.place - 1,
  e.position,
  (person.value ->> 'id')::uuid,
  e.data ->> 'purpose',
  (person.value ->> 'reads')::bigint
FROM staged_events AS e
CROSS JOIN LATERAL jsonb_array_elements(
  CASE jsonb_typeof(e.data -> 'persons') WHEN 'array' THEN e.data -> 'persons' ELSE '[]' END
) WITH ORDINALITY AS person (value, place)
WHERE e.event = 'access.read'
UNION ALL
SELECT (e.position << 20) + (1 << 20) - 1, e.position, NULL, e.data ->> 'purpose', (e.data ->> 'unnamed_reads')::bigint
FROM staged_events AS e
WHERE e.event = 'access.read' AND e.data ? 'unnamed_reads';
