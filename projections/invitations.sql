-- Generated from schema/invitation.yaml by tools/generate; only the indexes are written by hand.
-- projection: invitations
-- from: invitation
-- summary: An organization asks a person who has an account to become a member. Nothing of the person changes, and
--   nobody gets a right, until they accept.

-- section: tables
CREATE TABLE daybook.invitations (
  id                uuid PRIMARY KEY,
  number            bigint,
  organization_id   uuid,
  user_id           uuid,
  role              text,
  is_guest          boolean,
  organization_name varchar(255),
  expires_at        timestamptz,
  token_prefix      varchar(20),
  created_by        uuid,
  created_at        timestamptz,
  updated_at        timestamptz,
  version           bigint,
  deleted_at        timestamptz
);

COMMENT ON TABLE daybook.invitations IS
  'An organization asks a person who has an account to become a member. Nothing of the person changes, and nobody gets '
  'a right, until they accept.';
COMMENT ON COLUMN daybook.invitations.number IS '1, 2, 3 … of its type, in the order of creation.';
COMMENT ON COLUMN daybook.invitations.user_id IS
  'The person who is asked; none where an e-mail address is, of which nothing is kept. Refers to user.';
COMMENT ON COLUMN daybook.invitations.role IS 'The role of the membership. One of owner, admin, member.';
COMMENT ON COLUMN daybook.invitations.is_guest IS 'Whether the membership is that of a guest.';
COMMENT ON COLUMN daybook.invitations.organization_name IS
  'The organization''s name, for the person who is asked and doesn''t see it yet.';
COMMENT ON COLUMN daybook.invitations.expires_at IS
  'From when on nobody accepts it; of an address after 14 days, where nothing else is said.';
COMMENT ON COLUMN daybook.invitations.token_prefix IS 'The first characters of the token, to tell invitations apart.';
COMMENT ON COLUMN daybook.invitations.created_by IS 'The user who made it; the system user for what no person made.';
COMMENT ON COLUMN daybook.invitations.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN daybook.invitations.version IS 'How many events it has had.';
COMMENT ON COLUMN daybook.invitations.deleted_at IS 'When it was deleted; the row stays.';

-- section: indexes
CREATE INDEX invitations_user_id ON daybook.invitations (user_id);
CREATE INDEX invitations_organization_id ON daybook.invitations (organization_id);
