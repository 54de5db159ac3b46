#if canImport(Glibc)
  import Glibc
#endif

/// An instant in microseconds since 1970-01-01T00:00:00Z, the precision that the log and PostgreSQL share.
public struct Timestamp: Hashable, Sendable, Comparable {
  /// Microseconds since the epoch; negative before it.
  public var microseconds: Int64

  /// The instant so many microseconds after the epoch.
  public init(microseconds: Int64) {
    self.microseconds = microseconds
  }

  /// The system's clock now.
  public static var now: Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
  }

  /// The earliest instant that both RFC 3339 and PostgreSQL can hold: 0001-01-01T00:00:00Z.
  public static let minimum = Timestamp(microseconds: -62_135_596_800_000_000)
  /// The latest instant that RFC 3339 can hold: 9999-12-31T23:59:59.999999Z.
  public static let maximum = Timestamp(microseconds: 253_402_300_799_999_999)

  /// Whether the one is earlier.
  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

  /// This instant moved by so many seconds.
  public func adding(seconds: Int64) -> Timestamp {
    let (span, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000)
    let (sum, isBeyond) = microseconds.addingReportingOverflow(span)
    guard !isTooLong, !isBeyond else { return seconds < 0 ? .minimum : .maximum }
    return Timestamp(microseconds: sum)
  }

  /// RFC 3339 in UTC with six digits of fraction and `Z`, such as `2026-11-21T07:40:52.123456Z`.
  public var text: String {
    var days = microseconds / 86_400_000_000
    var rest = microseconds % 86_400_000_000
    if rest < 0 {
      rest += 86_400_000_000
      days -= 1
    }
    let (year, month, day) = Timestamp.civil(fromDays: days)
    let micros = rest % 1_000_000
    let seconds = rest / 1_000_000
    return String(unsafeUninitializedCapacity: 27) { buffer in
      var at = 0
      func put(_ value: Int64, _ width: Int) {
        var remaining = value
        for index in stride(from: at + width - 1, through: at, by: -1) {
          buffer[index] = UInt8(ascii: "0") + UInt8(remaining % 10)
          remaining /= 10
        }
        at += width
      }
      func mark(_ byte: UInt8) {
        buffer[at] = byte
        at += 1
      }
      put(year, 4)
      mark(UInt8(ascii: "-"))
      put(month, 2)
      mark(UInt8(ascii: "-"))
      put(day, 2)
      mark(UInt8(ascii: "T"))
      put(seconds / 3600, 2)
      mark(UInt8(ascii: ":"))
      put(seconds / 60 % 60, 2)
      mark(UInt8(ascii: ":"))
      put(seconds % 60, 2)
      mark(UInt8(ascii: "."))
      put(micros, 6)
      mark(UInt8(ascii: "Z"))
      return 27
    }
  }

  /// The year and month in UTC, such as `2026-11`.
  public var month: String { String(text.prefix(7)) }

  /// The instant that an RFC 3339 text spells; nil where it is not one, or is outside years 1 to 9999.
  ///
  /// A fraction is cut to microseconds. A leap second counts as the second after it. With `assumingUTC`, a text without
  /// a zone is taken as UTC (as OpenLineage producers send it) and a date alone as its midnight.
  public init?(_ text: String, assumingUTC: Bool = false) {
    var copy = text
    let parsed: Int64? = copy.withUTF8 { Timestamp.parse($0, assumingUTC: assumingUTC) }
    guard let parsed else { return nil }
    self.init(microseconds: parsed)
    guard self >= .minimum, self <= .maximum else { return nil }
  }

  private static func parse(_ bytes: UnsafeBufferPointer<UInt8>, assumingUTC: Bool) -> Int64? {
    var at = 0
    func number(_ width: Int) -> Int64? {
      guard at + width <= bytes.count else { return nil }
      var value: Int64 = 0
      for index in at..<(at + width) {
        let digit = bytes[index]
        guard digit >= 48, digit <= 57 else { return nil }
        value = value * 10 + Int64(digit - 48)
      }
      at += width
      return value
    }
    func skip(_ allowed: StaticString) -> UInt8? {
      guard at < bytes.count else { return nil }
      let byte = bytes[at]
      let isAllowed = allowed.withUTF8Buffer { $0.contains(byte) }
      guard isAllowed else { return nil }
      at += 1
      return byte
    }
    guard let year = number(4), skip("-") != nil, let month = number(2), skip("-") != nil, let day = number(2),
      year >= 1, (1...12).contains(month), day >= 1, day <= daysIn(month: month, year: year)
    else { return nil }
    let midnight = days(year: year, month: month, day: day) * 86_400_000_000
    if at == bytes.count { return assumingUTC ? midnight : nil }
    guard skip("Tt ") != nil, let hour = number(2), skip(":") != nil, let minute = number(2), skip(":") != nil,
      let second = number(2), hour < 24, minute < 60, second <= 60
    else { return nil }
    var micros: Int64 = 0
    if skip(".,") != nil {
      var scale: Int64 = 100_000
      let first = at
      while at < bytes.count, bytes[at] >= 48, bytes[at] <= 57 {
        micros += Int64(bytes[at] - 48) * scale
        scale /= 10
        at += 1
      }
      guard at > first else { return nil }
    }
    var offset: Int64 = 0
    if at == bytes.count {
      guard assumingUTC else { return nil }
    } else if skip("Zz") != nil {
      offset = 0
    } else if let sign = skip("+-") {
      guard let hours = number(2), hours < 24 else { return nil }
      _ = skip(":")
      guard let minutes = number(2), minutes < 60 else { return nil }
      offset = (hours * 3600 + minutes * 60) * (sign == UInt8(ascii: "-") ? -1 : 1)
    }
    guard at == bytes.count else { return nil }
    return midnight + (hour * 3600 + minute * 60 + second - offset) * 1_000_000 + micros
  }

  private static func daysIn(month: Int64, year: Int64) -> Int64 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  // The civil-date arithmetic of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
  private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}

extension Timestamp: CustomStringConvertible {
  /// The text.
  public var description: String { text }
}
