/// The powers of ten that a double holds exactly.
private let exactPowersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
]

extension JSONParser {
  /// The digits of a number, as far as they fit 64 bits.
  private struct Digits {
    /// So many decimal digits always fit.
    static let limit = 19
    var value: UInt64 = 0
    var count = 0
  }

  /// The number that starts at the cursor, in its canonical case; an integer literal keeps every digit.
  mutating func parseNumber() throws(JSONParseError) -> JSON {
    let first = cursor
    let isNegative = start[cursor] == ASCII.minus
    if isNegative { cursor += 1 }
    var digits = Digits()
    if try currentByte() == ASCII.zero {
      cursor += 1
      if cursor < end, ASCII.isDigit(start[cursor]) { throw fault(.invalidNumber) }
    } else {
      try parseDigits(into: &digits)
    }
    if cursor < end, start[cursor] == ASCII.point || start[cursor] | 0x20 == ASCII.lowerE {
      return try parseReal(from: first, isNegative: isNegative, digits)
    }
    if digits.count <= Digits.limit {
      if isNegative, digits.value <= Int64.min.magnitude {
        return .integer(Int64(truncatingIfNeeded: 0 &- digits.value))
      }
      if !isNegative, digits.value <= Int64.max.magnitude {
        return .integer(Int64(digits.value))
      }
    }
    return .bigInteger(text(from: first))
  }

  /// Goes on with a number at its point or exponent.
  private mutating func parseReal(
    from first: Int, isNegative: Bool, _ integral: Digits
  ) throws(JSONParseError) -> JSON {
    var digits = integral
    var exponent = 0
    if start[cursor] == ASCII.point {
      cursor += 1
      try parseDigits(into: &digits)
      exponent = integral.count - digits.count
    }
    if cursor < end, start[cursor] | 0x20 == ASCII.lowerE {
      cursor += 1
      let sign = try currentByte()
      if sign == ASCII.plus || sign == ASCII.minus { cursor += 1 }
      var written = Digits()
      try parseDigits(into: &written)
      // An exponent of more digits takes the careful way below.
      let magnitude = written.count <= 4 ? Int(written.value) : 10_000
      exponent += sign == ASCII.minus ? -magnitude : magnitude
    }
    let value = try value(from: first, isNegative: isNegative, digits, exponent: exponent)
    guard let number = JSON(finite: value) else {
      throw JSONParseError(code: .numberOutOfRange, offset: first)
    }
    return number
  }

  /// The double nearest to a number written from `first` to the cursor.
  private func value(
    from first: Int, isNegative: Bool, _ digits: Digits, exponent: Int
  ) throws(JSONParseError) -> Double {
    // Two doubles that are exact make one correctly rounded result (Clinger 1990); longer numbers need more care.
    if digits.count <= Digits.limit, digits.value <= 9_007_199_254_740_992, -22...22 ~= exponent {
      let magnitude = Double(digits.value)
      let value = exponent < 0 ? magnitude / exactPowersOfTen[-exponent] : magnitude * exactPowersOfTen[exponent]
      return isNegative ? -value : value
    }
    guard let value = Double(text(from: first)) else {
      throw JSONParseError(code: .invalidNumber, offset: first)
    }
    return value
  }

  /// At least one digit, and all that follow it.
  @inline(__always)
  private mutating func parseDigits(into digits: inout Digits) throws(JSONParseError) {
    guard ASCII.isDigit(try currentByte()) else { throw fault(.invalidNumber) }
    while cursor < end, ASCII.isDigit(start[cursor]) {
      digits.value = digits.value &* 10 &+ UInt64(start[cursor] &- ASCII.zero)
      digits.count += 1
      cursor += 1
    }
  }

  private func text(from first: Int) -> String {
    String(decoding: UnsafeBufferPointer(start: start + first, count: cursor - first), as: UTF8.self)
  }
}
