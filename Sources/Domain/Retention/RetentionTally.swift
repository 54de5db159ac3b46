import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records

/// How many sealed payloads there are by organization, class and hour: counted once as the log grows, so that a sweep
/// knows what is due without reading everything again.
struct RetentionTally: Sendable {
  struct Key: Hashable, Sendable {
    let organization: Identifier?
    let retentionClass: RetentionClass
  }

  /// The last position that was counted; nil before the first.
  private(set) var scannedThrough: UInt64?
  /// Payloads by the hour (since 1970) in which they were recorded, or, for previews, until which they are kept.
  private var hours: [Key: [Int64: Int]] = [:]
  /// Until when the previews of a month are kept, the longest of them.
  private var longest: [Key: [String: Timestamp]] = [:]
  /// The class of each event that carries a payload.
  private let classes: [String: RetentionClass]

  init(_ model: CatalogModel) {
    // The address of a stranger who was refused.
    var classes: [String: RetentionClass] = ["session.refused": .sessions]
    for type in model.types.values {
      for fact in type.facts.values {
        if let name = fact.retentionClass, let known = RetentionClass(rawValue: name), known.isSealed {
          classes["\(type.name).\(fact.event)"] = known
        }
      }
    }
    self.classes = classes
  }

  var keys: some Collection<Key> { hours.keys }

  /// Counts a stretch of the log; false where there is no more.
  /// - Parameter start: From where the first stretch counts: what is before has no key any more.
  mutating func take(_ snapshot: borrowing LogSnapshot, from start: @autoclosure () throws -> UInt64) throws -> Bool {
    let first = try scannedThrough.map { $0 + 1 } ?? max(1, start())
    let records = try snapshot.records(from: first, limit: 10_000, maximumBytes: 16 << 20)
    for record in records {
      let header = try record.parsedHeader()
      if let known = classes[header.event] { try count(record, header, known) }
    }
    scannedThrough = max(first - 1, records.last?.position ?? 0)
    return !records.isEmpty
  }

  private mutating func count(_ record: LogRecord, _ header: EventHeader, _ retentionClass: RetentionClass) throws {
    let key = Key(organization: header.organization, retentionClass: retentionClass)
    var time = header.at
    var rows = 1
    if retentionClass != .sessions {
      let data = try record.parsedBody().data
      if let lines = data["count"]?.integerValue, lines > 0 { rows = Int(clamping: lines) }
      if retentionClass == .previews, let expiry = data["expires_at"]?.stringValue.flatMap({ Timestamp($0) }) {
        time = max(time, expiry)
        let month = header.at.month
        longest[key, default: [:]][month] = max(longest[key]?[month] ?? .minimum, time)
      }
    }
    hours[key, default: [:]][RetentionTally.hour(of: time), default: 0] += rows
  }

  /// How many payloads became due before an instant, and not before another.
  func rows(_ key: Key, since: Timestamp?, before: Timestamp) -> Int {
    let end = RetentionTally.hour(of: before)
    let start = since.map { RetentionTally.hour(of: $0) } ?? .min
    return (hours[key] ?? [:]).reduce(0) { sum, hour in hour.key >= start && hour.key < end ? sum + hour.value : sum }
  }

  /// Lets go of what was removed before an instant.
  mutating func forget(_ key: Key, before: Timestamp) {
    let end = RetentionTally.hour(of: before)
    guard hours[key]?.contains(where: { $0.key < end }) == true else { return }
    hours[key] = hours[key]?.filter { $0.key >= end }
  }

  /// Until when any payload that was recorded in a month says that it is kept.
  func keptUntil(_ key: Key, month: String) -> Timestamp? { longest[key]?[month] }

  private static func hour(of time: Timestamp) -> Int64 {
    (time.microseconds / 3_600_000_000) - (time.microseconds % 3_600_000_000 < 0 ? 1 : 0)
  }
}
