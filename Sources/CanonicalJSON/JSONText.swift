/// The pieces of canonical JSON text (RFC 8785), for callers that write their lines by hand.
public enum JSONText {
  private static let hexDigits: [UInt8] = Array("0123456789abcdef".utf8)

  /// Appends a string with its quotes. Only quotes, backslashes and control characters are escaped, the shortest way
  /// (RFC 8785 §3.2.2.2).
  public static func writeString(_ text: String, into output: inout [UInt8]) {
    output.append(ASCII.quote)
    UTF8Bytes.withBytes(of: text) { writeContent($0, into: &output) }
    output.append(ASCII.quote)
  }

  /// Appends an integer in decimal.
  public static func writeInteger(_ value: Int64, into output: inout [UInt8]) {
    if value >= 0, value < 10 {
      output.append(ASCII.zero + UInt8(value))
      return
    }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
      var first = buffer.count
      var rest = value.magnitude
      repeat {
        first -= 1
        buffer[first] = ASCII.zero + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      if value < 0 {
        first -= 1
        buffer[first] = ASCII.minus
      }
      output.append(contentsOf: UnsafeBufferPointer(rebasing: buffer[first...]))
    }
  }

  /// Appends a double as ECMAScript writes it (RFC 8785 §3.2.2.3): the fewest digits that read back as the same double,
  /// `1e+21` and `1e-7` at the ends of the plain range, `0` for minus zero. The value must be finite: there is no JSON
  /// for others, and the call traps.
  public static func writeDouble(_ value: Double, into output: inout [UInt8]) {
    precondition(value.isFinite, "JSON has no number that isn't finite")
    if value == 0 {
      output.append(ASCII.zero)
      return
    }
    if value < 0 { output.append(ASCII.minus) }
    UTF8Bytes.withBytes(of: value.magnitude.description) { writeShortestDigits($0, into: &output) }
  }

  private static func writeContent(_ bytes: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    guard let start = bytes.baseAddress else { return }
    var runStart = 0
    var index = 0
    while index < bytes.count {
      if bytes.count - index >= 8 {
        let specials = StringScan.specials(StringScan.load(start + index))
        if specials == 0 {
          index += 8
          continue
        }
        index += specials.trailingZeroBitCount / 8
      }
      let byte = bytes[index]
      if byte >= ASCII.space, byte != ASCII.quote, byte != ASCII.backslash {
        index += 1
        continue
      }
      output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[runStart..<index]))
      writeEscape(byte, into: &output)
      index += 1
      runStart = index
    }
    output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[runStart...]))
  }

  private static func writeEscape(_ byte: UInt8, into output: inout [UInt8]) {
    output.append(ASCII.backslash)
    switch byte {
    case ASCII.quote, ASCII.backslash: output.append(byte)
    case 0x08: output.append(UInt8(ascii: "b"))
    case ASCII.tab: output.append(UInt8(ascii: "t"))
    case ASCII.newline: output.append(UInt8(ascii: "n"))
    case 0x0C: output.append(UInt8(ascii: "f"))
    case ASCII.carriageReturn: output.append(UInt8(ascii: "r"))
    default:
      output.append(contentsOf: [UInt8(ascii: "u"), ASCII.zero, ASCII.zero])
      output.append(hexDigits[Int(byte >> 4)])
      output.append(hexDigits[Int(byte & 0xF)])
    }
  }

  /// Lays out the digits of a positive double, which `description` gives as `ddd.ddd` or `d.ddde±xx`, by the rules of
  /// ECMAScript's Number::toString.
  private static func writeShortestDigits(_ description: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: description.count) { buffer in
      var count = 0
      // The value is 0.DIGITS times ten to the power of `point`.
      var point = 0
      var isFraction = false
      var index = 0
      while index < description.count, description[index] != ASCII.lowerE {
        let byte = description[index]
        index += 1
        if byte == ASCII.point {
          isFraction = true
        } else if count == 0, byte == ASCII.zero {
          // A leading zero: it moves the point only behind it.
          if isFraction { point -= 1 }
        } else {
          buffer[count] = byte
          count += 1
          if !isFraction { point += 1 }
        }
      }
      while count > 1, buffer[count - 1] == ASCII.zero { count -= 1 }
      if index < description.count { point += exponent(description[(index + 1)...]) }
      writeDigits(UnsafeBufferPointer(rebasing: buffer[..<count]), point: point, into: &output)
    }
  }

  private static func exponent(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    var value = 0
    for byte in text where ASCII.isDigit(byte) { value = value * 10 + Int(byte - ASCII.zero) }
    return text.first == ASCII.minus ? -value : value
  }

  private static func writeDigits(_ digits: UnsafeBufferPointer<UInt8>, point: Int, into output: inout [UInt8]) {
    switch point {
    case digits.count...max(21, digits.count) where point <= 21:
      output.append(contentsOf: digits)
      output.append(contentsOf: repeatElement(ASCII.zero, count: point - digits.count))
    case 1...21:
      output.append(contentsOf: UnsafeBufferPointer(rebasing: digits[..<point]))
      output.append(ASCII.point)
      output.append(contentsOf: UnsafeBufferPointer(rebasing: digits[point...]))
    case -5...0:
      output.append(ASCII.zero)
      output.append(ASCII.point)
      output.append(contentsOf: repeatElement(ASCII.zero, count: -point))
      output.append(contentsOf: digits)
    default:
      output.append(digits[0])
      if digits.count > 1 {
        output.append(ASCII.point)
        output.append(contentsOf: UnsafeBufferPointer(rebasing: digits[1...]))
      }
      output.append(ASCII.lowerE)
      output.append(point > 0 ? ASCII.plus : ASCII.minus)
      writeInteger(Int64((point - 1).magnitude), into: &output)
    }
  }
}
