-- Generated from schema/share_link.yaml by tools/generate; only the indexes are written by hand.
-- projection: share_links
-- from: share_link
-- summary: An invitation to a workspace; whoever has its token joins with its role. workspace_share_links (ETLab).
--   The token is shown once and kept as its SHA-256.

-- section: tables
CREATE TABLE daybook.share_links (
  id              uuid PRIMARY KEY,
  number          bigint,
  organization_id uuid,
  workspace_id    uuid,
  token_prefix    varchar(20),
  role            text,
  expires_at      timestamptz,
  is_active       boolean,
  use_count       integer,
  created_by      uuid,
  created_at      timestamptz,
  updated_at      timestamptz,
  version         bigint,
  deleted_at      timestamptz
);

COMMENT ON TABLE daybook.share_links IS
  'An invitation to a workspace; whoever has its token joins with its role. workspace_share_links (ETLab). The token '
  'is shown once and kept as its SHA-256.';
COMMENT ON COLUMN daybook.share_links.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.share_links.workspace_id IS 'Refers to workspace.';
COMMENT ON COLUMN daybook.share_links.token_prefix IS 'The first characters of the token, to tell links apart.';
COMMENT ON COLUMN daybook.share_links.role IS 'One of owner, editor, viewer.';
COMMENT ON COLUMN daybook.share_links.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.share_links.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.share_links.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.share_links.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX share_links_organization_id ON daybook.share_links (organization_id);
CREATE INDEX share_links_workspace_id ON daybook.share_links (workspace_id);
