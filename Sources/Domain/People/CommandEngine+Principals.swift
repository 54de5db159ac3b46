import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals
import Vault

extension CommandEngine {
  /// Whom an API key stands for; nil where there is no such key, or it may not act.
  /// Reads the log: short, on the calling thread.
  public func principal(forKey key: String) throws -> Principal? {
    guard key.utf8.starts(with: "dbk_".utf8), key.utf8.count <= 200 else { return nil }
    let epoch = principals.settledEpoch
    let hash = rules.key("api_key_hash", [.string(SecretToken.sha256Hex(key))], ignoringCase: false)
    return try reading { snapshot in
      guard let id = try snapshot.holder(constraint: "api_key_hash", key: hash) else { return nil }
      return try PrincipalRegister.resolve(
        .apiKey(id, creator: nil), signIn: nil, from: snapshot, now: clock(), epoch: epoch)
    }
  }

  /// What stands for the account of an e-mail address: the same for all spellings that find the same user, whether or
  /// not there is one.
  public func signInAccount(email: String) -> [UInt8] {
    let keys = rules.keys(CommandEngine.userEmail, [.string(email)])
    return keys.form ?? keys.exact
  }

  /// Who has an account, by what ``signInAccount(email:)`` says; nil where nobody does.
  func holder(ofAccount account: [UInt8], in transaction: LogTransaction) throws -> Identifier? {
    guard let id = try transaction.holders(constraint: "user_email", beginningWith: account).first else { return nil }
    return try transaction.living(id, type: "user")?.id
  }

  /// By what a sign-in finds a user.
  static let userEmail = UniqueConstraint(
    name: "user_email", fields: ["email"], ignoresCase: true, platforms: [])

  /// Whom an e-mail address and password stand for; nil where they don't fit, or the user may not act.
  ///
  /// Takes as long for an address that nobody has as for a wrong password.
  /// - Throws: ``Refusal`` `overloaded` where too many sign-ins wait.
  public func principal(email: String, password: String) async throws -> Principal? {
    let epoch = principals.settledEpoch
    let signIn = principals.beginSignIn(at: clock())
    let keys = rules.keys(CommandEngine.userEmail, [.string(email)])
    let rules = rules
    let found = try await inBackground { snapshot -> (principal: Principal, hash: String)? in
      guard let id = try rules.holders(of: keys, CommandEngine.userEmail, in: snapshot).first,
        let state = try snapshot.living(id, type: "user"), let hash = try self.passwordHash(of: state),
        let principal = try PrincipalRegister.resolve(
          .user(id), signIn: signIn, from: snapshot, now: self.clock(), epoch: epoch)
      else { return nil }
      return (principal, hash)
    }
    let fits = try await passwords.verify(password, hash: found?.hash ?? CommandEngine.nobodysHash)
    guard fits, let principal = found?.principal, !principals.isClosed(principal) else { return nil }
    return principal
  }

  /// The principal as the log says it now; nil where it may no longer act. Cheap
  /// where nothing has changed that could matter.
  public func refresh(_ principal: Principal) throws -> Principal? {
    guard principal.isResolved else { return principal }
    let epoch = principals.settledEpoch
    let now = clock()
    if principal.epoch == epoch {
      if let expiry = principal.expiresAt, expiry <= now { return nil }
      return principal
    }
    if principals.isClosed(principal) { return nil }
    return try reading {
      try PrincipalRegister.resolve(principal.kind, signIn: principal.signIn, from: $0, now: now, epoch: epoch)
    }
  }

  /// A user's principal without a password, as a sign-in of its own: for those that were proved elsewhere.
  public func principal(forUser id: Identifier) throws -> Principal? {
    let epoch = principals.settledEpoch
    let signIn = principals.beginSignIn(at: clock())
    return try reading {
      try PrincipalRegister.resolve(.user(id), signIn: signIn, from: $0, now: clock(), epoch: epoch)
    }
  }

  /// The user with that `keycloak_id`, who may have been deactivated.
  public func user(keycloakID: String) throws -> Identifier? {
    let key = rules.key("user_keycloak_id", [.string(keycloakID)], ignoringCase: false)
    return try reading { try $0.holder(constraint: "user_keycloak_id", key: key) }
  }

  /// The living organization of that slug.
  public func organization(slug: String) throws -> Identifier? {
    let key = rules.key("organization_slug", [.string(slug)], ignoringCase: false)
    return try reading { snapshot in
      guard let id = try snapshot.holder(constraint: "organization_slug", key: key) else { return nil }
      return try snapshot.living(id, type: "organization")?.id
    }
  }

  /// Whether a user is a full member of an organization.
  public func isMember(_ user: Identifier, of organization: Identifier) throws -> Bool {
    try reading { snapshot in
      try snapshot.memberships(of: user).contains { $0.organization == organization && $0.isGoverning }
    }
  }

  /// Whom an identity provider's subject stands for: the user with that
  /// `keycloak_id`; nil where there is none, or the user may not act.
  /// - Parameter expiresAt: when the proof expires, and the sign-in with it.
  public func principal(keycloakID: String, expiresAt: Timestamp) throws -> Principal? {
    let epoch = principals.settledEpoch
    let signIn = principals.beginSignIn(at: clock(), expiresAt: expiresAt)
    let key = rules.key("user_keycloak_id", [.string(keycloakID)], ignoringCase: false)
    return try reading { snapshot in
      guard let id = try snapshot.holder(constraint: "user_keycloak_id", key: key) else { return nil }
      return try PrincipalRegister.resolve(.user(id), signIn: signIn, from: snapshot, now: clock(), epoch: epoch)
    }
  }

  /// The hash of a user's present password, where that is the given one; nil where the user has none.
  /// - Throws: ``Refusal`` `invalid_params` where it is another one, `overloaded` where that was said too often lately.
  func presentHash(of user: Identifier, provedBy password: String) async throws -> String? {
    try wrongPasswords.check(user, now: clock())
    let hash = try await inBackground { try $0.living(user, type: "user").flatMap { try self.passwordHash(of: $0) } }
    guard let hash else { return nil }
    if try await passwords.verify(password, hash: hash) { return hash }
    wrongPasswords.count(user, now: clock())
    throw Refusal.invalidParam(
      "/current_password", "is not the present password; send that one, or sign in again and leave it out")
  }

  /// The hash of a user's password; nil where there is none, or the person was erased.
  func passwordHash(of user: ResourceState) throws -> String? {
    guard let stored = user.fields["password_hash"] else { return nil }
    switch try sealer.open(stored, resource: user.id, field: "password_hash") {
    case .value(let hash): return hash.stringValue
    case .erased: return nil
    case .locked:
      throw Refusal.unavailable(component: "vault", "The key that the password is sealed with is missing.")
    }
  }

  /// A hash of the cost that passwords have, to spend the same time on an address that nobody has; no user's.
  private static let nobodysHash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"

  func reading<Value>(_ body: (borrowing LogSnapshot) throws -> Value) throws -> Value {
    do { return try log.read(body) } catch { throw Refusal(causedBy: error) }
  }

  func inBackground<Value: Sendable>(_ body: @escaping @Sendable (borrowing LogSnapshot) throws -> Value) async throws
    -> Value
  {
    do { return try await log.background(body) } catch { throw Refusal(causedBy: error) }
  }
}
