import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Vault

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
  /// Log lines by the hour in which they were recorded, and then by the hour of their own time; those are gone that a
  /// sweep has taken.
  private var lines: [Key: [Int64: [Int64: Int]]] = [:]
  /// Until when the previews of a month are kept, the longest of them, and of the lines of a month the latest.
  private var longest: [Key: [String: Timestamp]] = [:]
  /// The class of each event that carries a payload.
  private let classes: [String: RetentionClass]
  private let vault: Vault

  init(_ model: CatalogModel, _ vault: Vault) {
    self.vault = vault
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
      if let known = classes[header.event] {
        try count(record, header, known)
      } else if header.event == "retention.swept" {
        noteSwept(try record.parsedBody().data, header.organization)
      }
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
      if retentionClass == .previews {
        let expiry = data["expires_at"]?.stringValue.flatMap({ Timestamp($0) })
        time = expiry.map { max(time, $0) } ?? .maximum
        keep(key, header.at.month, until: time)
        // What nobody said until when it is kept, is kept.
        if expiry == nil { return }
      }
      if retentionClass == .logs { try countLines(key, header, data, rows) }
    }
    hours[key, default: [:]][RetentionTally.hour(of: time), default: 0] += rows
  }

  private mutating func keep(_ key: Key, _ month: String, until time: Timestamp) {
    longest[key, default: [:]][month] = max(longest[key]?[month] ?? .minimum, time)
  }

  /// Counts the lines of one event by their own times. Where the event says that they are of one hour, which most are,
  /// or can't be opened any more, they are not looked at.
  private mutating func countLines(_ key: Key, _ header: EventHeader, _ data: JSONObject, _ rows: Int) throws {
    let recorded = RetentionTally.hour(of: header.at)
    let first = data["first_at"]?.stringValue.flatMap { Timestamp($0) }
    let last = data["last_at"]?.stringValue.flatMap { Timestamp($0) }
    var times: [Int64: Int] = [:]
    var latest = last ?? header.at
    if let first, let last, RetentionTally.hour(of: first) == RetentionTally.hour(of: last) {
      times[RetentionTally.hour(of: first)] = rows
    } else if let token = data["lines"],
      case .value(let opened) = try vault.openFully(token, resourceID: header.resource, field: "data/lines"),
      let lines = opened.arrayValue
    {
      latest = .minimum
      for line in lines {
        let time = line["at"]?.stringValue.flatMap { Timestamp($0) } ?? header.at
        times[RetentionTally.hour(of: time), default: 0] += 1
        latest = max(latest, time)
      }
    } else {
      times[recorded] = rows
    }
    keep(key, header.at.month, until: latest)
    lines[key, default: [:]][recorded, default: [:]].merge(times) { $0 + $1 }
  }

  /// Takes away the lines that a sweep took: up to the time when they were recorded or, where it says so, by their own.
  private mutating func noteSwept(_ data: JSONObject, _ organization: Identifier?) {
    guard data["class"]?.stringValue == RetentionClass.logs.rawValue,
      let before = data["before"]?.stringValue.flatMap({ Timestamp($0) })
    else { return }
    let end = RetentionTally.hour(of: before)
    let key = Key(organization: organization, retentionClass: .logs)
    guard let known = lines[key] else { return }
    if data["age"]?.stringValue == PlatformRetention.Age.line.rawValue {
      lines[key] = known.mapValues { $0.filter { $0.key >= end } }.filter { !$0.value.isEmpty }
    } else {
      lines[key] = known.filter { $0.key >= end }
    }
  }

  /// How many payloads became due before an instant, and not before another.
  func rows(_ key: Key, since: Timestamp?, before: Timestamp) -> Int {
    let end = RetentionTally.hour(of: before)
    let start = since.map { RetentionTally.hour(of: $0) } ?? .min
    return (hours[key] ?? [:]).reduce(0) { sum, hour in hour.key >= start && hour.key < end ? sum + hour.value : sum }
  }

  /// How many lines are older by their own time than an instant, and the hour of the oldest.
  func lines(_ key: Key, before: Timestamp) -> (rows: Int, oldest: Timestamp?) {
    let end = RetentionTally.hour(of: before)
    var rows = 0
    var oldest: Int64?
    for (hour, count) in (lines[key] ?? [:]).values.joined() where hour < end {
      rows += count
      oldest = min(oldest ?? hour, hour)
    }
    return (rows, oldest.map(RetentionTally.start))
  }

  /// The hour of the oldest payload that was not removed before an instant, and is older than another.
  func oldest(_ key: Key, since: Timestamp?, before: Timestamp) -> Timestamp? {
    let start = since.map { RetentionTally.hour(of: $0) } ?? .min
    let end = RetentionTally.hour(of: before)
    return (hours[key] ?? [:]).keys.filter { $0 >= start && $0 < end }.min().map(RetentionTally.start)
  }

  /// The hour of the oldest payload of those that are not older than an instant.
  func next(_ key: Key, from: Timestamp, isByLine: Bool) -> Timestamp? {
    let start = RetentionTally.hour(of: from)
    let known = isByLine ? Array((lines[key] ?? [:]).values.flatMap(\.keys)) : Array((hours[key] ?? [:]).keys)
    return known.filter { $0 >= start }.min().map(RetentionTally.start)
  }

  /// Lets go of what was removed before an instant.
  mutating func forget(_ key: Key, before: Timestamp) {
    let end = RetentionTally.hour(of: before)
    guard hours[key]?.contains(where: { $0.key < end }) == true else { return }
    hours[key] = hours[key]?.filter { $0.key >= end }
  }

  /// Until when any payload that was recorded in a month says that it is kept; of log lines, the latest of their times.
  func keptUntil(_ key: Key, month: String) -> Timestamp? { longest[key]?[month] }

  private static func hour(of time: Timestamp) -> Int64 {
    (time.microseconds / 3_600_000_000) - (time.microseconds % 3_600_000_000 < 0 ? 1 : 0)
  }

  private static func start(_ hour: Int64) -> Timestamp { Timestamp(microseconds: hour * 3_600_000_000) }
}
