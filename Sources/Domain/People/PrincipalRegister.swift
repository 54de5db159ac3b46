import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals

/// Who callers are, as the log's own state says it, and whether what was resolved earlier still holds.
///
/// Every decision that changes a user, membership, place in a workspace, key or organization moves an epoch on; a
/// principal of the present epoch needs no second look. Principals resolved outside of the writer get the epoch that is
/// on the disk, never one that is only staged, so a revoked key fails on its next command however close behind it
/// comes.
///
/// People's sign-ins are numbered, so that a changed password or a deactivation closes those before it, and only them.
/// They live no longer than the process, which is how long connections live.
final class PrincipalRegister: Sendable {
  private struct State {
    /// Moved on by decisions, on the writer's thread.
    var decided: UInt64 = 1
    /// What is on the disk.
    var settled: UInt64 = 1
    /// Principals resolved in the epoch `decided`.
    var resolved: [String: Principal] = [:]
    /// The number of the latest sign-in.
    var lastSignIn: UInt64 = 0
    /// Which sign-ins of a person are closed.
    var closed: [Identifier: (through: UInt64, except: UInt64?)] = [:]
    /// What decisions close that aren't on the disk yet, in order, each with the command that was decided: it binds the
    /// commands behind them.
    var closing: [(epoch: UInt64, closing: SignInClosing, command: ObjectIdentifier)] = []
  }

  private static let cacheLimit = 4096
  private let state = NIOLockedValueBox(State())

  /// The epoch that a principal resolved from a snapshot gets; to be read before the snapshot is taken.
  var settledEpoch: UInt64 { state.withLockedValue { $0.settled } }

  /// A sign-in that begins; to be taken before the snapshot from which the person is resolved.
  func beginSignIn(at now: Timestamp, expiresAt: Timestamp? = nil) -> SignIn {
    state.withLockedValue { state in
      state.lastSignIn += 1
      return SignIn(number: state.lastSignIn, at: now, expiresAt: expiresAt)
    }
  }

  /// A decision has changed something that principals are made of. Answers the epoch that it begins.
  /// - Parameters:
  ///   - closings: the sign-ins that it closes, instead of those of an earlier try at the same command.
  ///   - command: the command that was decided.
  func advance(closing closings: [SignInClosing] = [], by command: PreparedCommand) -> UInt64 {
    state.withLockedValue { state in
      state.decided += 1
      state.resolved.removeAll(keepingCapacity: true)
      PrincipalRegister.forget(command, &state)
      for closing in closings { state.closing.append((state.decided, closing, ObjectIdentifier(command))) }
      return state.decided
    }
  }

  /// The decision that began that epoch is on the disk. On the writer's thread only.
  func settle(_ epoch: UInt64) {
    state.withLockedValue { state in
      state.settled = max(state.settled, epoch)
      guard !state.closing.isEmpty else { return }
      for (decided, closing, _) in state.closing where decided <= epoch {
        state.closed[closing.user] = (state.lastSignIn, closing.except)
      }
      state.closing.removeAll { $0.epoch <= epoch }
    }
  }

  /// What was decided of a command didn't happen: the sign-ins that it would have closed stay, those that others of its
  /// batch close don't.
  func drop(_ command: PreparedCommand) {
    state.withLockedValue { PrincipalRegister.forget(command, &$0) }
  }

  /// The same, where it may have changed what principals are made of before: nothing that was resolved holds. On the
  /// writer's thread only, after the batch.
  func invalidate(_ command: PreparedCommand) {
    state.withLockedValue { state in
      state.decided += 1
      state.settled = state.decided
      state.resolved.removeAll(keepingCapacity: true)
      PrincipalRegister.forget(command, &state)
    }
  }

  private static func forget(_ command: PreparedCommand, _ state: inout State) {
    guard !state.closing.isEmpty else { return }
    state.closing.removeAll { $0.command == ObjectIdentifier(command) }
  }

  /// Whether a person's sign-in was closed, as far as that is on the disk.
  func isClosed(_ principal: Principal) -> Bool {
    state.withLockedValue { PrincipalRegister.isClosed(principal, $0.closed) }
  }

  private static func isClosed(
    _ principal: Principal, _ closed: [Identifier: (through: UInt64, except: UInt64?)]
  ) -> Bool {
    guard case .user(let id) = principal.kind, let signIn = principal.signIn, let bound = closed[id] else {
      return false
    }
    return signIn.number <= bound.through && signIn.number != bound.except
  }

  /// The principal as the write transaction sees it now.
  /// - Throws: ``Refusal`` `unauthenticated` where it may no longer act.
  func current(_ principal: Principal, in transaction: LogTransaction) throws -> Principal {
    guard principal.isResolved else { return principal }
    if principal.onBehalfOf != nil { return try currentDelegate(principal, in: transaction) }
    let (epoch, known, isClosed) = state.withLockedValue { state in
      let isClosing = state.closing.contains { _, closing, _ in
        principal.kind == .user(closing.user) && principal.signIn?.number != closing.except
      }
      return (
        state.decided, state.resolved[principal.actor],
        isClosing || PrincipalRegister.isClosed(principal, state.closed)
      )
    }
    if isClosed { throw Refusal.unauthenticated() }
    if principal.epoch == epoch {
      try PrincipalRegister.checkExpiry(principal, now: transaction.now)
      return principal
    }
    if let known, known.epoch == epoch {
      let same = known.by(principal.signIn)
      try PrincipalRegister.checkExpiry(same, now: transaction.now)
      return same
    }
    guard
      let resolved = try PrincipalRegister.resolve(
        principal.kind, signIn: principal.signIn, from: transaction, now: transaction.now, epoch: epoch)
    else { throw Refusal.unauthenticated() }
    state.withLockedValue { state in
      if state.resolved.count >= PrincipalRegister.cacheLimit { state.resolved.removeAll(keepingCapacity: true) }
      state.resolved[resolved.actor] = resolved
    }
    return resolved
  }

  /// The same of a key that acts for a person.
  private func currentDelegate(_ principal: Principal, in transaction: LogTransaction) throws -> Principal {
    let epoch = state.withLockedValue { $0.decided }
    if principal.epoch != epoch {
      guard let again = try PrincipalRegister.again(principal, from: transaction, now: transaction.now, epoch: epoch)
      else { throw Refusal.unauthenticated() }
      return again
    }
    try PrincipalRegister.checkExpiry(principal, now: transaction.now)
    return principal
  }

  /// Who a principal is now, with the person for whom it acts; nil where it may no longer act.
  /// - Throws: ``Refusal`` where it may no longer act for that person.
  static func again(
    _ principal: Principal, from source: borrowing some StateSource & ~Copyable, now: Timestamp, epoch: UInt64
  ) throws -> Principal? {
    let resolved = try resolve(principal.kind, signIn: principal.signIn, from: source, now: now, epoch: epoch)
    guard let resolved, let person = principal.onBehalfOf else { return resolved }
    return try delegate(resolved, to: person, named: person.text, from: source)
  }

  private static func checkExpiry(_ principal: Principal, now: Timestamp) throws {
    if let expiry = principal.expiresAt, expiry <= now { throw Refusal.unauthenticated() }
  }

  /// Who that is by the states of a source; nil where it may not act: a user who is gone or deactivated, a key that is
  /// gone, revoked or expired, of an organization that is gone or inactive, or made by a user who may not act or no
  /// longer belongs there.
  static func resolve(
    _ kind: Principal.Kind, signIn: SignIn?, from source: borrowing some StateSource & ~Copyable, now: Timestamp,
    epoch: UInt64
  ) throws -> Principal? {
    if let expiry = signIn?.expiresAt, expiry <= now { return nil }
    switch kind {
    case .localAdministrator, .server: return Principal(kind: kind, epoch: epoch)
    case .user(let id): return try resolveUser(id, signIn: signIn, from: source, epoch: epoch)
    case .apiKey(let id, _): return try resolveKey(id, from: source, now: now, epoch: epoch)
    }
  }

  private static func resolveUser(
    _ id: Identifier, signIn: SignIn?, from source: borrowing some StateSource & ~Copyable, epoch: UInt64
  ) throws -> Principal? {
    guard let user = try activeUser(id, from: source) else { return nil }
    var organizations: [Identifier: String] = [:]
    var narrowings: [Identifier: Narrowing] = [:]
    let platformRole = user.fields["role"]?.stringValue
    for membership in try source.memberships(of: id) {
      guard let organization = membership.organization, let role = membership.fields["role"]?.stringValue,
        let tenant = try activeOrganization(organization, from: source)
      else { continue }
      let given = PrincipalRegister.role(role, of: membership)
      organizations[organization] = given
      narrowings[organization] = Narrowing(
        role: given, platformRole: platformRole, platform: tenant.fields["platform"]?.stringValue)
    }
    let placed = Set(
      organizations.lazy.filter { $0.value == Principal.guest || narrowings[$0.key] == .workspaces }.map(\.key))
    return Principal(
      kind: .user(id), platformRole: platformRole, isStaff: user.fields["is_staff"] == true,
      organizations: organizations,
      workspaces: try workspaces(of: id, in: placed, from: source), narrowings: narrowings, subject: id, signIn: signIn,
      epoch: epoch)
  }

  /// The workspaces of these organizations in which a person has a place.
  static func workspaces(
    of user: Identifier, in organizations: Set<Identifier>, from source: borrowing some StateSource & ~Copyable
  ) throws -> Set<Identifier> {
    guard !organizations.isEmpty else { return [] }
    var found: Set<Identifier> = []
    for link in try source.referrers(of: user, type: "workspace_member", limit: .max) {
      guard let place = try source.living(link.id, type: "workspace_member"), place.reference("user_id") == user,
        let organization = place.organization, organizations.contains(organization),
        let workspace = place.reference("workspace_id")
      else { continue }
      found.insert(workspace)
    }
    return found
  }

  private static func resolveKey(
    _ id: Identifier, from source: borrowing some StateSource & ~Copyable, now: Timestamp, epoch: UInt64
  ) throws -> Principal? {
    guard let key = try source.living(id, type: "api_key"), key.fields["is_active"]?.boolValue == true,
      let organization = key.organization, let tenant = try activeOrganization(organization, from: source)
    else { return nil }
    let expiry = key.fields["expires_at"]?.stringValue.flatMap { Timestamp($0) }
    if let expiry, expiry <= now { return nil }
    var creator: Identifier?
    var bound: Principal.Bound?
    if let maker = key.creator, maker != CommandEngine.systemUser {
      guard let person = try activeUser(maker, from: source) else { return nil }
      creator = maker
      let platformRole = person.fields["role"]?.stringValue
      if platformRole != "admin" {
        let membership = try source.memberships(of: maker).first { $0.organization == organization }
        guard let membership, let role = membership.fields["role"]?.stringValue else { return nil }
        bound = Principal.Bound(role: PrincipalRegister.role(role, of: membership), platformRole: platformRole)
      }
    }
    let narrowing = bound.flatMap {
      Narrowing(
        role: $0.role, platformRole: $0.platformRole, platform: tenant.fields["platform"]?.stringValue)
    }
    let placed: Set<Identifier> = bound?.role == Principal.guest || narrowing == .workspaces ? [organization] : []
    return Principal(
      kind: .apiKey(id, creator: creator), organizations: [organization: "key"],
      workspaces: try creator.map { try workspaces(of: $0, in: placed, from: source) } ?? [],
      narrowings: narrowing.map { [organization: $0] } ?? [:],
      keyPermissions: KeyPermissions.read(key.fields["permissions"] ?? .null), bound: bound, subject: creator,
      actsForPeople: key.fields["acts_for_people"] == true && bound == nil,
      expiresAt: expiry, epoch: epoch)
  }

  /// The role that a membership gives: a guest's, for a member who came by a share link.
  static func role(_ role: String, of membership: ResourceState) -> String {
    role == "member" && membership.fields["is_guest"] == true ? Principal.guest : role
  }

  private static func activeUser(_ id: Identifier, from source: borrowing some StateSource & ~Copyable) throws
    -> ResourceState?
  {
    guard let user = try source.living(id, type: "user"), user.fields["is_active"]?.boolValue != false else {
      return nil
    }
    return user
  }

  private static func activeOrganization(_ id: Identifier, from source: borrowing some StateSource & ~Copyable) throws
    -> ResourceState?
  {
    guard let organization = try source.living(id, type: "organization"),
      organization.fields["is_active"]?.boolValue != false
    else { return nil }
    return organization
  }
}
