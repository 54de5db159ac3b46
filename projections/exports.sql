-- Generated from schema/export.yaml by tools/generate; only the indexes are written by hand.
-- projection: exports
-- from: export
-- summary: Evidence that was handed out, the chain of custody: who asked for which part of the log, when and why, and
--   the digest of the bundle that they made of it.

-- section: tables
CREATE TABLE daybook.exports (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  actor           varchar(255),
  filter          jsonb,
  since           timestamptz,
  until           timestamptz,
  first_position  bigint,
  last_position   bigint,
  tree_size       bigint,
  root            varchar(44),
  event_count     bigint,
  headers_of      uuid,
  withheld_types  text[],
  withheld_count  bigint,
  is_decrypted    boolean,
  manifest_sha256 varchar(64),
  completed_at    timestamptz,
  status          text,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.exports IS
  'Evidence that was handed out, the chain of custody: who asked for which part of the log, when and why, and the '
  'digest of the bundle that they made of it.';
COMMENT ON COLUMN daybook.exports.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.exports.actor IS 'Who asked, such as user:<uuid>.';
COMMENT ON COLUMN daybook.exports.filter IS 'Which events of the range: members of create that were given.';
COMMENT ON COLUMN daybook.exports.tree_size IS 'The size of the tree in which the range is proved.';
COMMENT ON COLUMN daybook.exports.root IS 'The root of that tree, base64.';
COMMENT ON COLUMN daybook.exports.event_count IS 'How many events of the range pass the filter.';
COMMENT ON COLUMN daybook.exports.headers_of IS 'The organization whose headers are shown; null for all.';
COMMENT ON COLUMN daybook.exports.withheld_types IS
  'The types of which no header is shown, since who asked doesn''t see such resources.';
COMMENT ON COLUMN daybook.exports.withheld_count IS 'How many headers of the range are given as a hash alone.';
COMMENT ON COLUMN daybook.exports.is_decrypted IS 'Whether values and reasons were asked for in the clear.';
COMMENT ON COLUMN daybook.exports.manifest_sha256 IS 'SHA-256 of the manifest of the bundle, in hex.';
COMMENT ON COLUMN daybook.exports.status IS 'One of open, complete.';
COMMENT ON COLUMN daybook.exports.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.exports.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.exports.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.exports.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX exports_organization_id ON daybook.exports (organization_id, created_at);
