import BasicTypes

/// Who has the places for connections: a pure account, which knows no socket.
///
/// Strangers can't take all places: some are kept for the Unix socket, and most for those who have signed in. Where
/// strangers have all that is theirs, a new one isn't refused, or a flood would keep everybody out for as long as it
/// lasts: the one that has had the longest time to sign in makes room, since whoever means to do so needs no long time.
/// Nor can those who have signed in for one tenant take all places.
struct ConnectionPlaces<ID: Hashable & Sendable>: Sendable {
  /// How many places there are, and for whom.
  struct Limits: Hashable, Sendable {
    /// All places.
    var all: Int
    /// Places that only connections of the Unix socket get.
    var keptForLocal: Int
    /// Places that all strangers together may have.
    var strangers: Int
    /// Places that the strangers of one source may have.
    var strangersOfSource: Int
    /// Places that all who have signed in for one tenant may have.
    var signedInOfTenant: Int

    /// The shares of so many places.
    init(all: Int) {
      self.all = all
      keptForLocal = min(64, all / 4)
      strangers = max(1, all / 4)
      strangersOfSource = max(1, all / 16)
      signedInOfTenant = max(1, all / 2)
    }
  }

  /// What comes of a new connection.
  enum Admission: Hashable {
    case taken
    /// It has the place of this one, which must be closed.
    case takenFrom(ID)
    /// There is no place for it.
    case refused
  }

  private enum Holder: Hashable {
    case local
    case signedIn(Source, Identifier?)
    case stranger(Source)
  }

  private struct Stranger: Hashable {
    let id: ID
    /// Its place in the order in which strangers came.
    let number: UInt64
    /// Whether a sign-in of it is under way: then it stays.
    var isSigningIn = false
  }

  let limits: Limits
  private var holders: [ID: Holder] = [:]
  private var localCount = 0
  /// The strangers of each source, in the order in which they came.
  private var strangers: [Source: [Stranger]] = [:]
  private(set) var strangerCount = 0
  /// How many have signed in for each tenant.
  private var signedIn: [Identifier: Int] = [:]
  private var lastNumber: UInt64 = 0

  init(limits: Limits) {
    self.limits = limits
  }

  /// How many places are taken.
  var count: Int { holders.count }

  /// Gives a place to a connection of the Unix socket.
  mutating func admitLocal(_ id: ID) -> Admission {
    guard holders.count < limits.all else { return .refused }
    holders[id] = .local
    localCount += 1
    return .taken
  }

  /// Gives a place to a connection over the network, which is a stranger's until it signs in.
  mutating func admit(_ id: ID, from source: Source) -> Admission {
    var gone: ID?
    if strangers[source, default: []].count >= limits.strangersOfSource {
      gone = oldest(of: source)
      if gone == nil { return .refused }
    } else if strangerCount >= limits.strangers || isFullForOthers {
      gone = oldestOfBusiest()
      if gone == nil { return .refused }
    }
    if let gone { remove(gone) }
    add(id, source)
    return gone.map(Admission.takenFrom) ?? .taken
  }

  /// Whether a connection may sign in for a tenant; nil is the service's own, which always may.
  func mayJoin(_ id: ID, _ tenant: Identifier?) -> Bool {
    guard let tenant, let count = signedIn[tenant], count >= limits.signedInOfTenant else { return true }
    if case .signedIn(_, tenant)? = holders[id] { return true }
    return holders[id] == .local
  }

  /// Notes that a connection speaks for somebody now, of a tenant, or for nobody any more. Returns another stranger
  /// whose place it has then, which must be closed.
  mutating func identified(_ id: ID, isKnown: Bool, of tenant: Identifier?) -> ID? {
    switch (holders[id], isKnown) {
    case (.stranger(let source)?, true):
      removeStranger(id, source)
      holders[id] = .signedIn(source, tenant)
      count(tenant, 1)
      return nil
    case (.signedIn(let source, let before)?, true):
      count(before, -1)
      holders[id] = .signedIn(source, tenant)
      count(tenant, 1)
      return nil
    case (.signedIn(let source, let before)?, false):
      count(before, -1)
      var gone: ID?
      if strangers[source, default: []].count >= limits.strangersOfSource {
        gone = oldest(of: source)
      } else if strangerCount >= limits.strangers {
        gone = oldestOfBusiest()
      }
      if let gone { remove(gone) }
      holders[id] = nil
      add(id, source)
      return gone
    default: return nil
    }
  }

  /// Notes that a stranger's sign-in has begun, or is over.
  mutating func signingIn(_ id: ID, _ isSigningIn: Bool) {
    guard case .stranger(let source)? = holders[id],
      let index = strangers[source]?.firstIndex(where: { $0.id == id })
    else { return }
    strangers[source]?[index].isSigningIn = isSigningIn
  }

  /// Takes a place back.
  mutating func remove(_ id: ID) {
    switch holders.removeValue(forKey: id) {
    case .local?: localCount -= 1
    case .stranger(let source)?: removeStranger(id, source)
    case .signedIn(_, let tenant)?: count(tenant, -1)
    case nil: break
    }
  }

  private mutating func count(_ tenant: Identifier?, _ change: Int) {
    guard let tenant else { return }
    let now = signedIn[tenant, default: 0] + change
    signedIn[tenant] = now > 0 ? now : nil
  }

  /// Whether there is no place but those that are kept for the Unix socket.
  private var isFullForOthers: Bool {
    holders.count >= limits.all || holders.count - localCount >= limits.all - limits.keptForLocal
  }

  private mutating func add(_ id: ID, _ source: Source) {
    lastNumber += 1
    holders[id] = .stranger(source)
    strangers[source, default: []].append(Stranger(id: id, number: lastNumber))
    strangerCount += 1
  }

  private mutating func removeStranger(_ id: ID, _ source: Source) {
    guard let index = strangers[source]?.firstIndex(where: { $0.id == id }) else { return }
    strangers[source]?.remove(at: index)
    if strangers[source]?.isEmpty == true { strangers[source] = nil }
    strangerCount -= 1
  }

  /// The stranger of a source that came first and isn't signing in.
  private func oldest(of source: Source) -> ID? {
    strangers[source]?.first { !$0.isSigningIn }?.id
  }

  /// Of the source with the most strangers that aren't signing in, the one that came first.
  private func oldestOfBusiest() -> ID? {
    var found: (stranger: Stranger, count: Int)?
    for list in strangers.values {
      guard let first = list.first(where: { !$0.isSigningIn }) else { continue }
      let isBusier = found.map { (list.count, $0.stranger.number) > ($0.count, first.number) } ?? true
      if isBusier { found = (first, list.count) }
    }
    return found?.stranger.id
  }
}
