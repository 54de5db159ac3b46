-- Generated from schema/legal_hold.yaml by tools/generate; only the indexes are written by hand.
-- projection: legal_holds
-- from: legal_hold
-- summary: Keeps a person, a resource or an organization from erasure, retention and deletion.

-- section: tables
CREATE TABLE daybook.legal_holds (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  name            varchar(255),
  held_id         uuid,
  held_type       varchar(48),
  matter          text,
  is_active       boolean,
  released_at     timestamptz,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.legal_holds IS
  'Keeps a person, a resource or an organization from erasure, retention and deletion.';
COMMENT ON COLUMN daybook.legal_holds.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.legal_holds.held_id IS 'The person, resource or organization that is held.';
COMMENT ON COLUMN daybook.legal_holds.matter IS 'The case or request that it serves.';
COMMENT ON COLUMN daybook.legal_holds.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.legal_holds.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.legal_holds.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.legal_holds.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX legal_holds_organization_id ON daybook.legal_holds (organization_id);
