import BasicTypes
import CanonicalJSON
import LMDB
import MerkleTree

/// The result that was given for a command id, for giving it again.
public struct StoredCommand: Sendable, Equatable {
  /// A keyed hash of what of the request is neither secret nor personal: the same id with another request is refused.
  public let fingerprint: [UInt8]
  /// The result's bytes, without any secret.
  public let result: [UInt8]

  /// A result under a fingerprint of 32 bytes.
  public init(fingerprint: [UInt8], result: [UInt8]) {
    precondition(fingerprint.count == 32, "a fingerprint has 32 bytes")
    self.fingerprint = fingerprint
    self.result = result
  }
}

/// What a decision has cost the writer so far, in what its cost grows with.
public struct DecisionWork: Sendable, Equatable {
  /// Bytes of the bodies that it has recorded.
  public internal(set) var recordedBytes = 0
  /// Records of histories that it has read.
  public internal(set) var historyRecords = 0
  /// Bytes of these records' bodies.
  public internal(set) var historyBytes = 0
  /// Resources beside its own that it has looked through, as ``LogTransaction/count(searched:consequences:)`` was told.
  public internal(set) var searched = 0
  /// What it has recorded because others asked to be told, likewise.
  public internal(set) var consequences = 0

  /// No work.
  public init() {}

  /// Counts records of a history that were read.
  public mutating func add(history records: [LogRecord]) {
    historyRecords += records.count
    for record in records { historyBytes += record.body.count }
  }
}

/// What a decision sees and changes: committed state, plus what the batch has decided before it, plus its own.
///
/// Everything is staged in memory; nothing is recorded before all decisions of the batch are made, so a decision that
/// throws leaves nothing behind and spoils nobody else's. Valid only inside the decision, on the writer's thread.
public final class LogTransaction {
  /// What the clock says, and what the log makes of it, for the whole batch.
  public let clock: ClockReading
  /// The present, by which to decide.
  public var now: Timestamp { clock.now }
  /// The time that this batch's events get, the first of them: each has a microsecond of its own.
  private let at: Timestamp
  /// The time of the last event before the batch; nil where there is none.
  private let lastAt: Timestamp?
  /// What the clock says, where events have to tell since their time is another one.
  private let clockText: String?

  private let store: LogView
  let databases: Databases
  /// What the states that it reads have besides what their events have set.
  public let defaults: StateDefaults
  private var batch = Staging()
  private var own = Staging()
  /// States as they were before the batch, of which the writer has read some already.
  private(set) var known: StateCache
  private(set) var discarded = false
  /// What the present decision has cost.
  public private(set) var work = DecisionWork()

  private let committedHead: UInt64
  private let clockRefusal: EventLogError?
  private var salts = SaltSource()

  init(
    store: LogView, databases: Databases, head: StoredHead, clock: ClockReading, tolerance: Int64,
    defaults: StateDefaults, known: StateCache
  ) {
    self.known = known
    self.defaults = defaults
    self.store = store
    self.databases = databases
    self.clock = clock
    at = clock.at
    lastAt = head.frontier.size > 0 ? head.at : nil
    let isNear = clock.clock >= at.adding(seconds: -tolerance) && clock.clock <= at.adding(seconds: tolerance)
    clockText = isNear ? nil : clock.clock.text
    if case .behind = clock.standing, let problem = clock.problem {
      clockRefusal = EventLogError(.clockSetBack, problem)
    } else {
      clockRefusal = nil
    }
    committedHead = head.frontier.size
  }

  /// The last position, counting what is staged.
  public var headPosition: UInt64 {
    committedHead + UInt64(batch.records.count) + UInt64(own.records.count)
  }

  /// The time of the next event: the present, and later than that of the event before it, so that a moment is before or
  /// behind each event and never beside two.
  private var nextTime: Timestamp {
    guard let last = own.records.last?.at ?? batch.records.last?.at ?? lastAt, last >= at else { return at }
    return Timestamp(microseconds: last.microseconds + 1)
  }

  /// The state of a resource, deleted ones too; nil where there never was one.
  public func state(_ id: Identifier) throws -> ResourceState? {
    try storedState(id).map(defaults.completed)
  }

  /// The state as the resource's events make it.
  private func storedState(_ id: Identifier) throws -> ResourceState? {
    if let staged = own.states[id] ?? batch.states[id] ?? batch.cached[id] ?? known[id] { return staged }
    var isKept = false
    let found = try store.withValue(databases.states, id.bytes) { encoded in
      isKept = encoded.byteCount <= StateCache.largest
      if encoded.byteCount > Self.smallState { batch.sizes[id] = encoded.byteCount }
      return try ResourceState(id: id, encoded: encoded)
    }
    guard let state = found else { return nil }
    if isKept { known[id] = state } else { batch.cached[id] = state }
    return state
  }

  /// States of less, and growth by less, aren't counted: a type has so few fields that it can't add up to much.
  private static let smallState = 1 << 20
  private static let smallGrowth = 1 << 16

  /// Keeps count of how long a state becomes, and answers it where that is more than a little longer than before.
  private func grow(_ id: Identifier, by growth: Int, isNew: Bool) -> Int? {
    let known = own.sizes[id] ?? batch.sizes[id]
    guard known != nil || growth > Self.smallGrowth else { return nil }
    let size = (known ?? (isNew ? 0 : Self.smallState)) + growth
    own.sizes[id] = size
    return growth > Self.smallGrowth ? size : nil
  }

  /// Who holds a unique key: the keys are hashes that the caller makes.
  public func holder(constraint: String, key: [UInt8]) throws -> Identifier? {
    let full = Key.unique(constraint, key)
    if let staged = own.unique[full] ?? batch.unique[full] { return staged.holder }
    return try store.withValue(databases.unique, full) { stored in
      guard let id = Checksummed.value(full.span.bytes, stored).flatMap({ Identifier(bytes: $0) }) else {
        throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
      }
      return id
    }
  }

  /// Who holds a key of a unique constraint that begins so, in the order of the keys, with what is staged.
  public func holders(constraint: String, beginningWith start: [UInt8]) throws -> [Identifier] {
    let prefix = Key.unique(constraint, start)
    var found: [[UInt8]: Identifier] = [:]
    try store.scan(databases.unique, from: prefix) { key, stored in
      guard key.starts(with: prefix) else { return false }
      guard let id = Checksummed.value(key, stored).flatMap({ Identifier(bytes: $0) }) else {
        throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
      }
      found[key.copy] = id
      return true
    }
    for staging in [batch, own] {
      if let staged = staging.unique[prefix] { found[prefix] = staged.holder }
      for key in staging.formKeys where key.starts(with: prefix) { found[key] = staging.unique[key]?.holder }
    }
    return found.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
  }

  /// The keys of a unique constraint that a resource holds, with what is staged. It goes through all keys of the
  /// constraint.
  public func keys(constraint: String, heldBy resource: Identifier) throws -> [[UInt8]] {
    let prefix = Key.unique(constraint, [])
    var found: [[UInt8]: Identifier] = [:]
    try store.scan(databases.unique, from: prefix) { key, stored in
      guard key.starts(with: prefix) else { return false }
      guard let id = Checksummed.value(key, stored).flatMap({ Identifier(bytes: $0) }) else {
        throw EventLogError.damaged("an entry of the unique index \(constraint) is damaged")
      }
      if id == resource { found[key.copy] = id }
      return true
    }
    for staging in [batch, own] {
      for (key, staged) in staging.unique where key.starts(with: prefix) { found[key] = staged.holder }
    }
    return found.filter { $0.value == resource }.keys.map { Array($0.dropFirst(prefix.count)) }
  }

  /// Makes a resource the holder of a unique key.
  public func claim(constraint: String, key: [UInt8], for holder: Identifier) throws {
    stage(Holder(holder: holder), of: Key.unique(constraint, key), isForm: key.count > LogTransaction.keyLength)
  }

  private func stage(_ holder: Holder, of key: [UInt8], isForm: Bool) {
    own.unique[key] = holder
    if isForm { own.formKeys.insert(key) }
  }

  /// How many bytes a key has: what the resource belongs to, and a hash. A key of a form is longer.
  private static let keyLength = 48

  /// Gives up every key of a unique constraint, for an index that is made anew.
  public func releaseAll(constraint: String) throws {
    let prefix = Key.unique(constraint, [])
    try store.scan(databases.unique, from: prefix) { key, _ in
      guard key.starts(with: prefix) else { return false }
      stage(Holder(holder: nil), of: key.copy, isForm: key.byteCount > prefix.count + LogTransaction.keyLength)
      return true
    }
    for key in batch.unique.keys where key.starts(with: prefix) {
      stage(Holder(holder: nil), of: key, isForm: key.count > prefix.count + LogTransaction.keyLength)
    }
  }

  /// Gives a unique key up.
  public func release(constraint: String, key: [UInt8]) throws {
    stage(Holder(holder: nil), of: Key.unique(constraint, key), isForm: key.count > LogTransaction.keyLength)
  }

  /// Remembers that one resource refers to another.
  public func link(_ referrer: Identifier, type: String, to target: Identifier) throws {
    own.setLink(Link(target: target, type: type, referrer: referrer), isThere: true)
  }

  /// Forgets that one resource refers to another; call it when no field does any more.
  public func unlink(_ referrer: Identifier, type: String, from target: Identifier) throws {
    own.setLink(Link(target: target, type: type, referrer: referrer), isThere: false)
  }

  /// Who refers to a resource, by type and id, at most so many.
  public func referrers(
    of target: Identifier, type: String? = nil, limit: Int
  ) throws -> [(type: String, id: Identifier)] {
    let stagedOwn = own.links[target]
    let stagedBatch = batch.links[target]
    var result: [(type: String, id: Identifier)] = []
    try Links.scan(store, databases.links, target: target, type: type) { found, id in
      if stagedOwn?[found]?[id] ?? stagedBatch?[found]?[id] ?? true { result.append((found, id)) }
      return result.count < limit
    }
    if stagedOwn == nil, stagedBatch == nil { return result }
    let types = type.map { Set([$0]) } ?? Set((stagedOwn ?? [:]).keys).union((stagedBatch ?? [:]).keys)
    for type in types {
      let newest = stagedOwn?[type] ?? [:]
      let older = (stagedBatch?[type] ?? [:]).lazy.filter { newest[$0.key] == nil }
      for (id, isThere) in newest where isThere { try addStaged(Link(target: target, type: type, referrer: id)) }
      for (id, isThere) in older where isThere { try addStaged(Link(target: target, type: type, referrer: id)) }
    }
    func addStaged(_ link: Link) throws {
      guard result.count < limit, try !store.contains(databases.links, link.key) else { return }
      result.append((link.type, link.referrer))
    }
    return result
  }

  /// The next number of a type: 1, 2, 3 …
  public func nextNumber(_ type: String) throws -> Int64 {
    let name = "number/\(type)"
    let last: Int64
    if let staged = own.counters[name] ?? batch.counters[name] {
      last = staged
    } else {
      last = try Counters.read(store, databases.meta, name)
    }
    own.counters[name] = last + 1
    return last + 1
  }

  /// Stages an event: gives it its position and version, and merges its `set` into the resource's state.
  @discardableResult
  public func append(_ draft: EventDraft) throws -> AppendedEvent {
    if let clockRefusal, !own.confirmsClock { throw clockRefusal }
    let position = headPosition + 1
    let at = nextTime
    var next: ResourceState
    let before = try storedState(draft.resource)
    if let before {
      next = before
      next.version += 1
      next.updatedAt = at
      next.position = position
    } else {
      next = ResourceState(
        id: draft.resource, type: draft.type, organization: draft.organization, version: 1, createdAt: at,
        updatedAt: at, position: position, fields: [:])
    }
    next.merge(draft.set)
    let drops = try draft.drops.isEmpty ? [] : stage(draft.drops, by: position)
    let encoded = RecordEncoding.body(of: draft, drops: drops, salt: salts.next(), clock: clockText)
    let body = encoded.bytes
    let grownTo = grow(draft.resource, by: encoded.growth, isNew: before == nil)
    work.recordedBytes += body.count
    let bodyHash = body.withUnsafeBytes { RFC6962.sha256($0) }
    let header = RecordEncoding.header(
      of: draft, at: at.text, bodyHash: bodyHash, position: position, version: next.version)
    own.records.append(
      StagedRecord(
        record: LogRecord(position: position, header: header, body: body), at: at, resource: draft.resource,
        version: next.version, subjects: draft.subjects))
    own.states[draft.resource] = next
    // What a first event sets, without nulls, are the fields that its resource has: they aren't written twice.
    let isWhole = before == nil && !encoded.set.isEmpty && next.fields.count == draft.set.count
    own.fieldBytes[draft.resource] = isWhole ? body[encoded.set] : nil
    for resource in Set(draft.drops.map(\.resource)) { try refold(resource) }
    return AppendedEvent(
      id: draft.id, event: draft.event, resource: draft.resource, position: position, version: next.version, at: at,
      bodySize: body.count, grownTo: grownTo)
  }

  /// Stages what stands in the place of bodies that an event drops.
  private func stage(_ drops: [DroppedBody], by event: UInt64) throws -> [BodyDrop] {
    guard drops.count <= DroppedBody.mostOfOneEvent else {
      throw EventLogError(.unusable, "An event drops at most \(DroppedBody.mostOfOneEvent) bodies.")
    }
    return try drops.map { drop in
      guard drop.position < event, drop.body["drops"] == nil else {
        throw EventLogError(.unusable, "The body at position \(drop.position) can't be dropped by \(event).")
      }
      let made = BodyDrop(drop, by: event)
      own.bodies[drop.position] = BodyReplacement(body: made.body, event: event)
      return made
    }
  }

  /// Makes the state of a resource anew of its events, once bodies of them were replaced.
  private func refold(_ resource: Identifier) throws {
    var state: ResourceState?
    for (index, record) in try history(of: resource, versions: 1...Int64.max, isCounted: false).enumerated() {
      state = try ResourceState(state, of: resource, version: Int64(index + 1), record)
    }
    guard let state else { throw EventLogError.damaged("the resource \(resource) has no events") }
    own.states[resource] = state
    own.fieldBytes[resource] = nil
  }

  /// A record with the body that stands in it by what is staged.
  private func current(_ record: LogRecord) -> LogRecord {
    guard let replaced = own.bodies[record.position] ?? batch.bodies[record.position] else { return record }
    return LogRecord(position: record.position, header: record.header, body: replaced.body).dropped(by: replaced.event)
  }

  /// What was answered for an actor's command id.
  public func storedCommand(actor: String, id: String) throws -> StoredCommand? {
    let key = Key.command(actor, id)
    if let staged = own.commands[key] ?? batch.commands[key] { return staged }
    return try store.withValue(databases.commands, key) { try LogTransaction.command(key.span.bytes, $0) }
  }

  static func command(_ key: RawSpan, _ stored: RawSpan) throws -> StoredCommand {
    guard let value = Checksummed.value(key, stored), value.count >= 32 else {
      throw EventLogError.damaged("the stored result of a command is damaged")
    }
    return StoredCommand(fingerprint: Array(value.prefix(32)), result: Array(value.dropFirst(32)))
  }

  /// What was answered for command ids before this batch, in the order of actors and ids, from a place on that an
  /// earlier call has answered (none at the beginning), and where it goes on; nil where there is no more.
  public func commands(from start: [UInt8], limit: Int) throws -> (
    entries: [(actor: String, id: String, command: StoredCommand)], next: [UInt8]?
  ) {
    var entries: [(actor: String, id: String, command: StoredCommand)] = []
    var next: [UInt8]?
    try store.scan(databases.commands, from: start) { key, stored in
      if entries.count == limit {
        next = key.copy
        return false
      }
      let name = try LogTransaction.commandName(key.copy)
      entries.append((name.actor, name.id, try LogTransaction.command(key, stored)))
      return true
    }
    return (entries, next)
  }

  /// What the key of an answer says.
  static func commandName(_ key: [UInt8]) throws -> (actor: String, id: String) {
    guard let end = key.firstIndex(of: 0) else { throw EventLogError.damaged("an answer to a command has no actor") }
    return (String(decoding: key[..<end], as: UTF8.self), String(decoding: key[(end + 1)...], as: UTF8.self))
  }

  /// Keeps the answer to an actor's command id (at most 128 bytes), in the same commit as the events.
  public func storeCommand(actor: String, id: String, _ command: StoredCommand) throws {
    own.commands[Key.command(actor, id)] = command
  }

  /// A resource's records of some versions, staged ones too.
  /// - Parameter isCounted: Whether they count as work of the decision.
  public func history(
    of resource: Identifier, versions: ClosedRange<Int64>, isCounted: Bool = true
  ) throws -> [LogRecord] {
    var result: [LogRecord] = []
    try store.scan(databases.history, from: Key.history(resource, versions.lowerBound)) { key, stored in
      guard key.byteCount == 24, key.starts(with: resource.bytes),
        Key.readPosition(key, at: 16) <= UInt64(clamping: versions.upperBound)
      else { return false }
      guard let position = Checksummed.position(key, stored) else {
        throw EventLogError.damaged("the history of \(resource) has a damaged entry")
      }
      result.append(current(try Records.read(position, databases) { try store.value($0, $1) }))
      return true
    }
    if batch.states[resource] != nil || own.states[resource] != nil {
      for records in [batch.records, own.records] {
        for staged in records where staged.resource == resource && versions.contains(staged.version) {
          result.append(current(staged.record))
        }
      }
    }
    if isCounted { work.add(history: result) }
    return result
  }

  /// Adds to the work of the present decision.
  public func count(searched: Int = 0, consequences: Int = 0) {
    work.searched += searched
    work.consequences += consequences
  }

  /// Believes the clock as it is once this batch is committed, and lets this decision record events though the clock is
  /// behind the last one.
  public func confirmClock() {
    own.confirmsClock = true
  }

  /// Tells a stretch of a story once this batch is committed; nil ends the story.
  public func tell(_ stretch: StoryClock.Stretch?) {
    own.stretch = .some(stretch)
  }

  /// Throws away what this decision has staged; it still answers its value. For `dry_run`.
  public func discard() {
    discarded = true
  }

  // MARK: - For the writer

  func beginDecision() {
    own = Staging()
    work = DecisionWork()
    discarded = false
  }

  /// Takes over what the decision has staged; answers how many events that has.
  func keepDecision() -> Int {
    if discarded { own = Staging() }
    let events = own.records.count
    batch.take(own)
    own = Staging()
    return events
  }

  func dropDecision() { own = Staging() }

  var stagedBatch: Staging { batch }
}

/// Who holds a unique key after a decision; nobody where it was released.
struct Holder {
  let holder: Identifier?
}

struct Link: Hashable {
  let target: Identifier
  let type: String
  let referrer: Identifier

  var key: [UInt8] { Key.links(to: target, type: type, from: referrer) }
}

struct StagedRecord {
  let record: LogRecord
  let at: Timestamp
  let resource: Identifier
  let version: Int64
  let subjects: [Identifier]
}

/// What decisions want changed, in memory.
struct Staging {
  var records: [StagedRecord] = []
  /// What stands in the place of bodies, by their positions.
  var bodies: [UInt64: BodyReplacement] = [:]
  var states: [Identifier: ResourceState] = [:]
  /// How the fields of a state are written, where that is known.
  var fieldBytes: [Identifier: ArraySlice<UInt8>] = [:]
  /// Read from the store in this batch, unchanged, and too large to be kept for the next one.
  var cached: [Identifier: ResourceState] = [:]
  /// How many bytes large states have.
  var sizes: [Identifier: Int] = [:]
  var unique: [[UInt8]: Holder] = [:]
  /// Those keys of ``unique`` that stand for a form: few, as a rule none.
  var formKeys: Set<[UInt8]> = []
  /// By target, type and referrer: whether the link is there.
  var links: [Identifier: [String: [Identifier: Bool]]] = [:]
  var counters: [String: Int64] = [:]
  var commands: [[UInt8]: StoredCommand] = [:]
  var confirmsClock = false
  /// The stretch of a story that is told next, where a decision says so; in it nil ends the story.
  var stretch: StoryClock.Stretch??

  var hasChanges: Bool { !records.isEmpty || !commands.isEmpty || !counters.isEmpty }

  mutating func setLink(_ link: Link, isThere: Bool) {
    links[link.target, default: [:]][link.type, default: [:]][link.referrer] = isThere
  }

  mutating func take(_ other: Staging) {
    records.append(contentsOf: other.records)
    for (position, body) in other.bodies { bodies[position] = body }
    for (id, state) in other.states {
      states[id] = state
      fieldBytes[id] = other.fieldBytes[id]
    }
    for (id, size) in other.sizes { sizes[id] = size }
    for (key, holder) in other.unique { unique[key] = holder }
    formKeys.formUnion(other.formKeys)
    for (target, types) in other.links {
      if links[target] == nil {
        links[target] = types
        continue
      }
      for (type, changes) in types {
        links[target, default: [:]][type, default: [:]].merge(changes) { _, new in new }
      }
    }
    for (name, value) in other.counters { counters[name] = value }
    for (key, command) in other.commands { commands[key] = command }
    confirmsClock = confirmsClock || other.confirmsClock
    stretch = other.stretch ?? stretch
  }
}

/// States that the writer has read, decoded: as long as it alone writes, and knows what it has written, they are what
/// the log has. Small ones only.
struct StateCache {
  private var states: [Identifier: ResourceState] = [:]

  /// How many bytes a state has at most, encoded.
  static let largest = 8192
  /// How many it holds at most; beyond that it begins anew.
  private static let limit = 1024

  subscript(id: Identifier) -> ResourceState? {
    get { states[id] }
    set {
      if states.count >= StateCache.limit { states.removeAll(keepingCapacity: true) }
      states[id] = newValue
    }
  }

  /// Forgets what a batch has changed.
  mutating func forget(_ changed: some Sequence<Identifier>) {
    for id in changed { states[id] = nil }
  }
}

/// Salts of sixteen random bytes.
struct SaltSource {
  private var generator = PooledRandom()

  /// One of them.
  static func one() -> [UInt8] {
    var source = SaltSource()
    return source.next()
  }

  mutating func next() -> [UInt8] {
    Identifier(high: generator.next(), low: generator.next()).bytes
  }
}
