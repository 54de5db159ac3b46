import Access
import BasicTypes
import NIOConcurrencyHelpers

/// Counts who reads personal data and who is refused what, so that a few events say it: the first time of an hour
/// promptly, everything after that when the hour is over.
///
/// Noting costs a look into a table, and waits for nothing. Memory is bounded: beyond ``Limits`` it is still counted,
/// but no longer told apart whose data it was, or who read it; one organization's callers take at most a quarter of the
/// room. Kept in memory: what a crash loses are the counts since the last record, at most an hour's.
///
/// Safe to use from any thread.
package final class AccessLedger: Sendable {
  /// How much is told apart within an hour.
  package struct Limits: Sendable {
    /// Persons of all readers together: each costs about 50 bytes.
    package var persons = 100_000
    /// Persons of one reader and purpose.
    package var personsOfReader = 20_000
    /// Readers, each with each purpose.
    package var readers = 5_000
    /// Refused calls that differ, of all callers together.
    package var refusals = 10_000
    /// Of one caller.
    package var refusalsOfCaller = 100
    /// The part of each, one in so many, that the callers of one organization take at most.
    package var share = 4

    package init() {}
  }

  /// What is told apart: persons, readers, and refused calls.
  private struct Usage {
    var persons = 0
    var readers = 0
    var refusals = 0

    /// Whether there is room for one more reader or refused call, and for how many persons.
    func room(in limits: Limits, share: Int) -> (persons: Int, hasReader: Bool, hasRefusal: Bool) {
      (
        max(0, limits.persons / share - persons), readers < max(1, limits.readers / share),
        refusals < max(1, limits.refusals / share)
      )
    }
  }

  /// What is counted and not told apart.
  private struct Unknown {
    var reads = 0
    var refusals = 0
  }

  /// So many records of one reader come promptly within an hour; those after them a minute apart.
  private static let promptRecords = 10
  private static let hour: Int64 = 3_600_000_000

  private struct Reader: Hashable {
    let actor: String
    let purpose: ReadNote.Purpose
  }

  private struct Reading {
    let principal: Principal
    let origin: Origin
    let hour: Timestamp
    let purpose: ReadNote.Purpose
    /// Reads that aren't recorded yet, by person.
    var reads: [Identifier: Int] = [:]
    /// The persons of whom no event of the hour has told yet.
    var fresh: [Identifier] = []
    var unnamed = 0
    var records = 0
    /// When those that are new may be recorded.
    var next: Timestamp

    var isDue: Bool { !fresh.isEmpty || records == 0 && unnamed > 0 }

    /// Counts one read of each; says whether anything is to be recorded before the hour is over.
    mutating func add(_ persons: [Identifier], atMost limit: Int, room: inout Int) -> Bool {
      for person in persons {
        if let count = reads[person] {
          reads[person] = count + 1
        } else if room > 0, reads.count < limit {
          reads[person] = 1
          fresh.append(person)
          room -= 1
        } else {
          unnamed += 1
        }
      }
      return isDue
    }

    mutating func takeFresh(_ now: Timestamp) -> NotedAccess? {
      let persons = fresh.map { id in (id: id, reads: reads.updateValue(0, forKey: id) ?? 0) }
      fresh = []
      records += 1
      next = records < AccessLedger.promptRecords ? now : now.adding(seconds: 60)
      return noted(persons)
    }

    mutating func takeRest() -> NotedAccess? {
      noted(reads.filter { $0.value > 0 }.map { (id: $0.key, reads: $0.value) })
    }

    private mutating func noted(_ persons: [(id: Identifier, reads: Int)]) -> NotedAccess? {
      guard !persons.isEmpty || unnamed > 0 else { return nil }
      defer { unnamed = 0 }
      return NotedAccess(
        principal: principal, origin: origin, hour: hour,
        content: .reads(purpose, persons: persons, unnamed: unnamed))
    }
  }

  private struct LogReading {
    let principal: Principal
    let origin: Origin
    let hour: Timestamp
    var records = 0
    var first: UInt64
    var last: UInt64
    var isRecorded = false

    mutating func take() -> NotedAccess? {
      guard records > 0 else { return nil }
      defer { (records, isRecorded) = (0, true) }
      return NotedAccess(
        principal: principal, origin: origin, hour: hour, content: .log(records: records, first: first, last: last))
    }
  }

  private struct Refused: Hashable {
    let actor: String
    /// The person for whom the caller acts.
    let onBehalfOf: Identifier?
    /// Nil for all further ones of the caller.
    let call: RefusedCall?
  }

  private struct Refusing {
    let principal: Principal
    let origin: Origin
    let hour: Timestamp
    var count = 0
    var isRecorded = false

    mutating func take(_ call: RefusedCall?) -> NotedAccess? {
      guard count > 0 else { return nil }
      defer { (count, isRecorded) = (0, true) }
      return NotedAccess(
        principal: principal, origin: origin, hour: hour, content: .refusals(call, count: count))
    }
  }

  /// What an hour has left, as it was counted: what becomes of it is worked out once nobody waits.
  private enum Ended {
    case reading(Reading)
    case log(LogReading)
    case refusing(RefusedCall?, Refusing)
    case unknown(Identifier?, Unknown, hour: Timestamp)

    /// How many persons it tells apart.
    var persons: Int {
      if case .reading(let reading) = self { reading.reads.count } else { 0 }
    }

    func noted() -> [NotedAccess] {
      switch self {
      case .reading(var reading): return [reading.takeRest()].compactMap { $0 }
      case .log(var reading): return [reading.take()].compactMap { $0 }
      case .refusing(let call, var refusing): return [refusing.take(call)].compactMap { $0 }
      case .unknown(let organization, let unknown, let hour):
        var noted: [NotedAccess] = []
        func add(_ content: NotedAccess.Content) {
          noted.append(
            NotedAccess(principal: nil, organization: organization, origin: Origin(), hour: hour, content: content))
        }
        if unknown.reads > 0 { add(.reads(nil, persons: [], unnamed: unknown.reads)) }
        if unknown.refusals > 0 { add(.refusals(nil, count: unknown.refusals)) }
        return noted
      }
    }
  }

  private struct State {
    var readings: [Reader: Reading] = [:]
    var logReadings: [String: LogReading] = [:]
    var refusals: [Refused: Refusing] = [:]
    /// How many refused calls of each caller are told apart.
    var refusalsOf: [String: Int] = [:]
    /// How much is told apart, of all and of the callers of each organization.
    var usage = Usage()
    var usages: [Identifier: Usage] = [:]
    /// What is over and waits to be recorded.
    var ended: [Ended] = []
    /// Reads and refusals for whom there was no room, by organization.
    var unknown: [Identifier?: Unknown] = [:]
    var hour = Timestamp(microseconds: 0)
    /// Whether something came that may be due before the hour is over.
    var hasNews = false
  }

  private let limits: Limits
  private let clock: @Sendable () -> Timestamp
  private let state = NIOLockedValueBox(State())

  /// - Parameter clock: What time it is.
  package init(limits: Limits = Limits(), clock: @escaping @Sendable () -> Timestamp) {
    self.limits = limits
    self.clock = clock
  }

  /// Notes what an answer has shown to a caller.
  package func note(_ read: ReadNote, by principal: Principal, from origin: Origin) {
    if case .server = principal.kind { return }
    let now = clock()
    state.withLockedValue { state in
      begin(now, &state)
      switch read {
      case .persons(let persons, let purpose): note(persons, purpose, principal, origin, now, &state)
      case .log(let records, let first, let last):
        // They are few: only who reads everything is noted here.
        guard state.logReadings[principal.actor] != nil || state.logReadings.count < limits.readers else { return }
        var reading =
          state.logReadings[principal.actor]
          ?? LogReading(principal: principal, origin: origin, hour: state.hour, first: first, last: last)
        reading.records += records
        reading.first = min(reading.first, first)
        reading.last = max(reading.last, last)
        if !reading.isRecorded { state.hasNews = true }
        state.logReadings[principal.actor] = reading
      }
    }
  }

  /// Notes a call that was refused to a caller.
  package func note(_ call: RefusedCall, by principal: Principal, from origin: Origin) {
    if case .server = principal.kind { return }
    let now = clock()
    state.withLockedValue { state in
      begin(now, &state)
      var refused = Refused(actor: principal.actor, onBehalfOf: principal.onBehalfOf, call: call)
      if state.refusals[refused] == nil, state.refusalsOf[principal.actor, default: 0] >= limits.refusalsOfCaller {
        refused = Refused(actor: principal.actor, onBehalfOf: nil, call: nil)
      }
      if state.refusals[refused] == nil {
        guard room(for: principal, state).hasRefusal else {
          state.unknown[Self.organization(of: principal), default: Unknown()].refusals += 1
          return
        }
        use(&state, principal) { $0.refusals += 1 }
        if refused.call != nil { state.refusalsOf[principal.actor, default: 0] += 1 }
      }
      var refusing =
        state.refusals[refused] ?? Refusing(principal: principal, origin: origin, hour: state.hour)
      refusing.count += 1
      if !refusing.isRecorded { state.hasNews = true }
      state.refusals[refused] = refusing
    }
  }

  /// What is to be recorded now; it counts as recorded from then on.
  /// - Parameter all: Everything, and the counts begin anew: for a stop.
  package func take(all: Bool = false) -> [NotedAccess] {
    let now = clock()
    let (ended, news) = state.withLockedValue { state -> ([Ended], [NotedAccess]) in
      begin(now, &state)
      if all {
        end(&state)
        // What was too much to be told apart.
        if !state.unknown.isEmpty { end(&state) }
      }
      defer { state.ended = [] }
      guard state.hasNews else { return (state.ended, []) }
      state.hasNews = false
      var news: [NotedAccess] = []
      for key in Array(state.readings.lazy.filter({ $0.value.isDue }).map(\.key)) {
        if let next = state.readings[key]?.next, now < next {
          state.hasNews = true
        } else if let noted = state.readings[key]?.takeFresh(now) {
          news.append(noted)
        }
      }
      for key in Array(state.logReadings.lazy.filter({ !$0.value.isRecorded }).map(\.key)) {
        if let noted = state.logReadings[key]?.take() { news.append(noted) }
      }
      for key in Array(state.refusals.lazy.filter({ !$0.value.isRecorded }).map(\.key)) {
        if let noted = state.refusals[key]?.take(key.call) { news.append(noted) }
      }
      return (state.ended, news)
    }
    return ended.flatMap { $0.noted() } + news
  }

  /// How many persons, readers and refused calls are told apart now.
  package var size: (persons: Int, readers: Int, refusals: Int) {
    state.withLockedValue { ($0.usage.persons, $0.readings.count + $0.logReadings.count, $0.refusals.count) }
  }

  /// On whose account a caller takes room: an organization of theirs, nil for administrators.
  private static func organization(of principal: Principal) -> Identifier? {
    principal.isAdministrator ? nil : principal.organizations.keys.min()
  }

  private func room(
    for principal: Principal, _ state: State
  ) -> (persons: Int, hasReader: Bool, hasRefusal: Bool) {
    let all = state.usage.room(in: limits, share: 1)
    guard let organization = Self.organization(of: principal) else { return all }
    let own = (state.usages[organization] ?? Usage()).room(in: limits, share: limits.share)
    return (
      min(all.persons, own.persons), all.hasReader && own.hasReader, all.hasRefusal && own.hasRefusal
    )
  }

  private func use(_ state: inout State, _ principal: Principal, _ change: (inout Usage) -> Void) {
    change(&state.usage)
    if let organization = Self.organization(of: principal) {
      change(&state.usages[organization, default: Usage()])
    }
  }

  private func note(
    _ persons: [Identifier], _ purpose: ReadNote.Purpose, _ principal: Principal, _ origin: Origin, _ now: Timestamp,
    _ state: inout State
  ) {
    let key = Reader(actor: principal.actor, purpose: purpose)
    let places = room(for: principal, state)
    if state.readings[key] == nil {
      guard places.hasReader else {
        state.unknown[Self.organization(of: principal), default: Unknown()].reads += persons.count
        return
      }
      use(&state, principal) { $0.readers += 1 }
    }
    var room = places.persons
    let before = room
    // Changed where it lies: a reader of many persons isn't copied.
    let isDue = state.readings[
      key, default: Reading(principal: principal, origin: origin, hour: state.hour, purpose: purpose, next: now)
    ].add(persons, atMost: limits.personsOfReader, room: &room)
    let taken = before - room
    if taken > 0 { use(&state, principal) { $0.persons += taken } }
    if isDue { state.hasNews = true }
  }

  /// Ends the hour before, where another one has begun.
  private func begin(_ now: Timestamp, _ state: inout State) {
    let hour = Timestamp(microseconds: now.microseconds - now.microseconds % Self.hour)
    guard state.hour != hour else { return }
    end(&state)
    state.hour = hour
  }

  /// Ends what is counted, without looking into it: a query may be waiting.
  private func end(_ state: inout State) {
    let hour = state.hour
    state.ended += state.readings.values.map { .reading($0) }
    state.ended += state.logReadings.values.map { .log($0) }
    state.ended += state.refusals.map { .refusing($0.key.call, $0.value) }
    state.ended += state.unknown.map { .unknown($0.key, $0.value, hour: hour) }
    (state.readings, state.logReadings, state.refusals, state.refusalsOf) = ([:], [:], [:], [:])
    (state.usage, state.usages, state.unknown, state.hasNews) = (Usage(), [:], [:], false)
    bound(&state)
  }

  /// Keeps what can't be recorded for hours, as where the disk is full, from growing: it is counted, but no longer told
  /// apart.
  private func bound(_ state: inout State) {
    // Within an hour there is never more than this.
    let most = (persons: limits.persons, entries: 2 * (limits.readers + limits.refusals))
    guard state.ended.count > most.entries || state.ended.reduce(0, { $0 + $1.persons }) > most.persons else { return }
    var (persons, entries) = (0, 0)
    var kept: [Ended] = []
    for ended in state.ended {
      entries += 1
      persons += ended.persons
      if entries <= most.entries, persons <= most.persons {
        kept.append(ended)
        continue
      }
      for noted in ended.noted() {
        let organization = noted.principal.flatMap(Self.organization(of:)) ?? noted.organization
        switch noted.content {
        case .reads(_, let persons, let unnamed):
          state.unknown[organization, default: Unknown()].reads += persons.reduce(unnamed) { $0 + $1.reads }
        case .refusals(_, let count): state.unknown[organization, default: Unknown()].refusals += count
        case .log: kept.append(ended)
        }
      }
    }
    state.ended = kept
  }
}
