import BasicTypes
import NIOCore

/// What sources have recorded that the read models don't have yet, and who has to wait for them.
///
/// The log takes events faster than PostgreSQL does, and read models take them in the log's order: a source that writes
/// without end would make the read models of all others late without end. So whoever has recorded more than its share
/// of what is outstanding waits, while others write too, until the read models come near. It is slowed to their pace;
/// nothing is refused. While the read models don't move at all, PostgreSQL is away, and nobody waits for it.
///
/// Costs are in events: one for each event, and one for each ``bytesPerEvent`` of bodies. A pure account: times are
/// given, in nanoseconds of a clock that only goes forward.
struct PostingDebt {
  /// What an event costs the read models besides its bytes, in bytes.
  static let bytesPerEvent = 512

  private struct Entry {
    let position: UInt64
    let source: Identifier?
    let cost: Int
  }

  private var entries = CircularBuffer<Entry>()
  private var owed: [Identifier: Int] = [:]
  /// The cost of all entries.
  private(set) var total = 0
  /// How far the read models are.
  private var posted: UInt64 = 0
  /// Up to here it isn't known who recorded what.
  private var unknownThrough: UInt64
  private var lastPosted: UInt64?
  /// When each source recorded something last; those of long ago are forgotten where there are more than so many.
  private var lastSource: [Identifier?: UInt64] = [:]
  private var tidiedBeyond = 1024
  /// What the read models take in a second, in cost.
  private var pace = PostingDebt.leastPace
  /// What has been posted since the pace was looked at last, and when that was.
  private var measured = (cost: 0, since: UInt64?.none)

  /// The read models take so much in a second even on a slow machine.
  private static let leastPace = 4000.0
  /// How many seconds of the read models' work may be outstanding while others write too, and while nobody does.
  private static let secondsInCompany = 1.5
  private static let secondsAlone = 20.0
  /// Who has recorded something within so long is company.
  private static let company: UInt64 = 10_000_000_000
  /// Read models that haven't moved for so long stand still.
  private static let standstill: UInt64 = 10_000_000_000
  /// How many entries are kept: what is older is nobody's.
  private static let mostEntries = 1 << 16

  /// - Parameter position: The head of the log: of what is before it nobody is known.
  init(head position: UInt64) {
    unknownThrough = position
  }

  /// Notes what a source has recorded, up to a position.
  mutating func record(_ cost: Int, by source: Identifier?, through position: UInt64, at now: UInt64) {
    guard cost > 0, position > posted else { return }
    lastSource[source] = now
    if lastSource.count > tidiedBeyond {
      lastSource = lastSource.filter { Self.time(from: $0.value, to: now) < Self.company }
      tidiedBeyond = max(1024, 2 * lastSource.count)
    }
    if entries.isEmpty { measured = (0, now) }
    total += cost
    if let source { owed[source, default: 0] += cost }
    entries.append(Entry(position: position, source: source, cost: cost))
    while entries.count > Self.mostEntries { unknownThrough = forgetFirst().position }
  }

  /// Notes that the read models have all up to a position.
  mutating func post(through position: UInt64, at now: UInt64) {
    guard position > posted else { return }
    posted = position
    lastPosted = now
    let before = total
    while let first = entries.first, first.position <= position { _ = forgetFirst() }
    measure(before - total, at: now)
  }

  private mutating func measure(_ cost: Int, at now: UInt64) {
    measured.cost += cost
    guard let since = measured.since else {
      measured = (0, now)
      return
    }
    let seconds = Double(Self.time(from: since, to: now)) / 1e9
    // Few events tell of how long a round takes, not of how many a second takes.
    guard measured.cost >= 1000, seconds > 0.05 else { return }
    pace = max(Self.leastPace, 0.7 * pace + 0.3 * Double(measured.cost) / seconds)
    measured = (0, now)
  }

  /// How long it is from one time to another; nothing where that is earlier, since each thread reads the clock before
  /// it has the lock.
  private static func time(from start: UInt64, to end: UInt64) -> UInt64 { end > start ? end - start : 0 }

  private mutating func forgetFirst() -> Entry {
    let first = entries.removeFirst()
    total -= first.cost
    if let source = first.source, let left = owed[source] {
      owed[source] = left > first.cost ? left - first.cost : nil
    }
    return first
  }

  /// Whether what a source submits has to wait for the read models.
  func holds(_ source: Identifier?, at now: UInt64) -> Bool {
    // The service's own submissions, and its administrators', wait for nobody.
    guard let source, let own = owed[source], let lastPosted else { return false }
    // What nobody is known of is caught up with beside what comes.
    let unknown = unknownThrough > posted ? Double(unknownThrough - posted) : 0
    // Asked for each command: what decides nearly always comes first.
    guard Double(total) > pace * Self.secondsInCompany + unknown, own > total / (2 * max(1, owed.count)),
      Self.time(from: lastPosted, to: now) < Self.standstill
    else { return false }
    return Double(total) > pace * Self.secondsAlone + unknown
      || lastSource.contains { $0.key != .some(source) && Self.time(from: $0.value, to: now) < Self.company }
  }
}
