import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import NIOConcurrencyHelpers

/// Who callers are, as the log's own state says it, and whether what was resolved earlier still holds.
///
/// Every decision that changes a user, membership, key or organization moves an epoch on; a principal of the present epoch needs no
/// second look. Principals resolved outside of the writer get the epoch that is on the disk, never one that is only staged, so a
/// revoked key fails on its next command however close behind it comes.
final class PrincipalRegister: Sendable {
  private struct State {
    /// Moved on by decisions, on the writer's thread.
    var decided: UInt64 = 1
    /// What is on the disk.
    var settled: UInt64 = 1
    /// Principals resolved in the epoch `decided`.
    var resolved: [String: Principal] = [:]
  }

  private static let cacheLimit = 4096
  private let state = NIOLockedValueBox(State())

  /// The epoch that a principal resolved from a snapshot gets; to be read before the snapshot is taken.
  var settledEpoch: UInt64 { state.withLockedValue { $0.settled } }

  /// A decision has changed something that principals are made of. Answers the epoch that it begins.
  func advance() -> UInt64 {
    state.withLockedValue { state in
      state.decided += 1
      state.resolved.removeAll(keepingCapacity: true)
      return state.decided
    }
  }

  /// The decision that began that epoch is on the disk. On the writer's thread only.
  func settle(_ epoch: UInt64) {
    state.withLockedValue { $0.settled = max($0.settled, epoch) }
  }

  /// What was decided may not have happened: nothing that was resolved holds. On the writer's thread only, after the batch.
  func invalidate() {
    state.withLockedValue { state in
      state.decided += 1
      state.settled = state.decided
      state.resolved.removeAll(keepingCapacity: true)
    }
  }

  /// The principal as the write transaction sees it now.
  /// - Throws: ``DaybookError`` `unauthenticated` where it may no longer act.
  func current(_ principal: Principal, in transaction: LogTransaction) throws -> Principal {
    guard principal.isResolved else { return principal }
    let (epoch, known) = state.withLockedValue { ($0.decided, $0.resolved[principal.actor]) }
    if principal.epoch == epoch {
      try PrincipalRegister.checkExpiry(principal, now: transaction.now)
      return principal
    }
    if let known, known.epoch == epoch {
      try PrincipalRegister.checkExpiry(known, now: transaction.now)
      return known
    }
    guard
      let resolved = try PrincipalRegister.resolve(
        principal.kind, from: transaction, now: transaction.now, epoch: epoch)
    else { throw DaybookError.unauthenticated() }
    state.withLockedValue { state in
      if state.resolved.count >= PrincipalRegister.cacheLimit { state.resolved.removeAll(keepingCapacity: true) }
      state.resolved[resolved.actor] = resolved
    }
    return resolved
  }

  private static func checkExpiry(_ principal: Principal, now: Timestamp) throws {
    if let expiry = principal.expiresAt, expiry <= now { throw DaybookError.unauthenticated() }
  }

  /// Who that is by the states of a source; nil where it may not act: a user who is gone or deactivated, a key that is gone, revoked
  /// or expired, of an organization that is gone or inactive, or made by a user who may not act.
  static func resolve(
    _ kind: Principal.Kind, from source: some StateSource, now: Timestamp, epoch: UInt64
  ) throws -> Principal? {
    switch kind {
    case .localAdministrator, .server: return Principal(kind: kind, epoch: epoch)
    case .user(let id): return try resolveUser(id, from: source, epoch: epoch)
    case .apiKey(let id, _): return try resolveKey(id, from: source, now: now, epoch: epoch)
    }
  }

  private static func resolveUser(
    _ id: Identifier, from source: some StateSource, epoch: UInt64
  ) throws -> Principal? {
    guard let user = try activeUser(id, from: source) else { return nil }
    var organizations: [Identifier: String] = [:]
    for membership in try source.memberships(of: id) {
      guard let organization = membership.organization, let role = membership.fields["role"]?.stringValue,
        try isActiveOrganization(organization, from: source)
      else { continue }
      organizations[organization] = role
    }
    return Principal(
      kind: .user(id), platformRole: user.fields["role"]?.stringValue, organizations: organizations, subject: id,
      epoch: epoch)
  }

  private static func resolveKey(
    _ id: Identifier, from source: some StateSource, now: Timestamp, epoch: UInt64
  ) throws -> Principal? {
    guard let key = try source.living(id, type: "api_key"), key.fields["is_active"]?.boolValue == true,
      let organization = key.organization, try isActiveOrganization(organization, from: source)
    else { return nil }
    let expiry = key.fields["expires_at"]?.stringValue.flatMap { Timestamp($0) }
    if let expiry, expiry <= now { return nil }
    var creator: Identifier?
    if let maker = key.creator, maker != CommandEngine.systemUser {
      guard try activeUser(maker, from: source) != nil else { return nil }
      creator = maker
    }
    return Principal(
      kind: .apiKey(id, creator: creator), organizations: [organization: "key"],
      keyPermissions: KeyPermissions.read(key.fields["permissions"] ?? .null), subject: creator, expiresAt: expiry,
      epoch: epoch)
  }

  private static func activeUser(_ id: Identifier, from source: some StateSource) throws -> ResourceState? {
    guard let user = try source.living(id, type: "user"), user.fields["is_active"]?.boolValue != false else {
      return nil
    }
    return user
  }

  private static func isActiveOrganization(_ id: Identifier, from source: some StateSource) throws -> Bool {
    guard let organization = try source.living(id, type: "organization") else { return false }
    return organization.fields["is_active"]?.boolValue != false
  }
}

/// An API key's permission map: verbs by plural resource.
enum KeyPermissions {
  /// The map as sets; what is no known verb counts for nothing.
  static func read(_ value: JSON) -> [String: Set<Permission>] {
    var map: [String: Set<Permission>] = [:]
    for (plural, verbs) in value.objectValue ?? [:] {
      map[plural] = Set((verbs.arrayValue ?? []).compactMap { $0.stringValue.flatMap(Permission.init(rawValue:)) })
    }
    return map
  }

  /// What is wrong with a map that a caller gave.
  static func problems(_ value: JSON, plurals: Set<String>, path: String) -> [ValueProblem] {
    guard let map = value.objectValue else { return [ValueProblem(path: path, problem: "must be an object")] }
    var problems: [ValueProblem] = []
    // `audit` and `log` are no resource types, but read like ones.
    let known = plurals.union(["*", "audit", "log"])
    for (plural, verbs) in map {
      let place = "\(path)/\(JSONPointer.escape(plural))"
      if !known.contains(plural) {
        let hint = Suggestion.nearest(to: plural, in: known).map { "; did you mean \($0)?" } ?? ""
        problems.append(ValueProblem(path: place, problem: "is no resource (a plural such as pipelines, or *)\(hint)"))
      }
      guard let list = verbs.arrayValue else {
        problems.append(ValueProblem(path: place, problem: "must be an array of read, write, execute, admin"))
        continue
      }
      for (index, verb) in list.enumerated() where verb.stringValue.flatMap(Permission.init(rawValue:)) == nil {
        problems.append(ValueProblem(path: "\(place)/\(index)", problem: "must be one of read, write, execute, admin"))
      }
    }
    return problems
  }

  /// Whether a caller who has `own` on some resources may hand out `wanted`.
  static func covers(own: [String: Set<Permission>], wanted: [String: Set<Permission>]) -> Bool {
    let everywhere = own["*"] ?? []
    return wanted.allSatisfy { plural, verbs in
      plural == "*" ? everywhere.isSuperset(of: verbs) : everywhere.union(own[plural] ?? []).isSuperset(of: verbs)
    }
  }
}
