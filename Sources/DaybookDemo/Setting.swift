import BasicTypes
import CanonicalJSON

/// What a run of the demo is: everything in it follows from these.
struct Setting: Sendable {
  /// The password of everybody who has one.
  static let password = "daybook-demo"

  let seed: UInt64
  let scale: Double
  let days: Int
  /// The midnight at which the month ends.
  let end: Timestamp
  /// What keeps the names of this story apart from those of another one on the same server; empty for the usual one.
  let tag: String

  init(seed: UInt64, scale: Double, days: Int, end: Timestamp) {
    self.seed = seed
    self.scale = scale
    self.days = days
    self.end = end
    tag = Setting.tag(seed: seed, scale: scale, days: days)
  }

  /// The midnight, in UTC, that a moment follows.
  static func midnight(before time: Timestamp) -> Timestamp {
    let day: Int64 = 86_400_000_000
    return Timestamp(microseconds: time.microseconds - (time.microseconds % day + day) % day)
  }

  static func tag(seed: UInt64, scale: Double, days: Int) -> String {
    if seed == 1, scale == 1, days == 30 { return "" }
    var chance = Chance(seed: seed, "tag \(scale) \(days)")
    return chance.hexadecimal(4)
  }

  /// The beginning of every command id: the same story sends the same ids.
  var prefix: String { tag.isEmpty ? "demo" : "demo-\(tag)" }

  /// A stream of chance for a part of the story.
  func chance(_ name: String) -> Chance { Chance(seed: seed, name) }

  /// The id of something that there is from the first day on, by a name of its own.
  func identifier(_ name: String) -> Identifier {
    var chance = Chance(seed: seed, "\(tag) id \(name)")
    return Identifier.version7(at: time(day: 0, hour: 0), using: &chance)
  }

  /// A moment of the month; hours may have fractions.
  func time(day: Int, hour: Double) -> Timestamp {
    let midnight = end.adding(seconds: Int64(day - days) * 86_400)
    return Timestamp(microseconds: midnight.microseconds + Int64(hour * 3_600_000_000))
  }

  /// How many of something there are where there are so many at scale 1.
  func scaled(_ count: Int, atLeast minimum: Int = 1) -> Int {
    max(minimum, Int((Double(count) * scale).rounded()))
  }

  /// A slug or the local part of an address, made this story's own.
  func own(_ name: String, separator: String = "-") -> String {
    tag.isEmpty ? name : name + separator + tag
  }
}

extension JSON {
  /// An identifier as the protocol writes it.
  static func id(_ identifier: Identifier) -> JSON { .string(identifier.text) }
  /// A time as the protocol writes it.
  static func time(_ time: Timestamp) -> JSON { .string(time.text) }
  /// A whole number.
  static func count(_ number: Int) -> JSON { .integer(Int64(number)) }
  /// A list of texts.
  static func texts(_ texts: [String]) -> JSON { .array(texts.map(JSON.string)) }
}
