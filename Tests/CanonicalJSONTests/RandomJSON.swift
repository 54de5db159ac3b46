import CanonicalJSON
import TestBasics

/// Random values of every kind, biased towards the edges of each.
struct RandomJSON {
  var generator: Seeded

  mutating func value(depth: Int = 0) -> JSON {
    switch Int.random(in: 0..<(depth < 5 ? 10 : 7), using: &generator) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &generator))
    case 2: return .integer(integer())
    case 3: return JSON(finite: finiteDouble()) ?? .null
    case 4: return .bigInteger(bigInteger())
    case 5, 6: return .string(string())
    case 7: return .array((0..<Int.random(in: 0..<6, using: &generator)).map { _ in value(depth: depth + 1) })
    default: return .object(object(depth: depth))
    }
  }

  mutating func object(depth: Int) -> JSONObject {
    var object = JSONObject()
    let count = Int.random(in: 0..<10, using: &generator) == 0 ? 60 : Int.random(in: 0..<8, using: &generator)
    for _ in 0..<count { object[string()] = value(depth: count == 60 ? 5 : depth + 1) }
    return object
  }

  mutating func integer() -> Int64 {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: Int64.random(in: -10...10, using: &generator)
    case 1: Int64.random(in: .min ... .max, using: &generator)
    case 2: [Int64.min, .max, .min + 1, 9_007_199_254_740_993].randomElement(using: &generator) ?? 0
    default: Int64.random(in: -100_000...100_000, using: &generator)
    }
  }

  mutating func bigInteger() -> String {
    let digits = (0..<Int.random(in: 19..<60, using: &generator)).map { _ in Int.random(in: 0...9, using: &generator) }
    return (Bool.random(using: &generator) ? "-" : "") + "9" + digits.map(String.init).joined()
  }

  mutating func finiteDouble() -> Double {
    while true {
      let value =
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: Double(Int.random(in: -100_000...100_000, using: &generator)) / 100
        case 1: Double(bitPattern: generator.next())
        default: Double.random(in: -1e22...1e22, using: &generator)
        }
      if value.isFinite { return value }
    }
  }

  mutating func string() -> String {
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0..<24, using: &generator) { text.append(scalar()) }
    return String(text)
  }

  private mutating func scalar() -> Unicode.Scalar {
    let range: ClosedRange<UInt32> =
      switch Int.random(in: 0..<12, using: &generator) {
      case 0: 0...0x1F
      case 1: 0x80...0x7FF
      case 2: 0x800...0xD7FF
      case 3: 0xE000...0xFFFF
      case 4: 0x10000...0x10FFFF
      case 5: 0x300...0x301
      case 6: 0x5C...0x5C
      case 7: 0x22...0x22
      default: 0x20...0x7F
      }
    return Unicode.Scalar(UInt32.random(in: range, using: &generator)) ?? "?"
  }
}
