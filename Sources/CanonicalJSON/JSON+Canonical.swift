extension JSON {
  /// The canonical text (RFC 8785) as UTF-8. A `.number` inside that isn't finite traps; the parser makes none.
  public var canonicalBytes: [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(128)
    writeCanonical(into: &output)
    return output
  }

  /// The canonical text (RFC 8785). A `.number` inside that isn't finite traps; the parser makes none.
  public var canonicalString: String {
    String(decoding: canonicalBytes, as: UTF8.self)
  }

  /// Appends the canonical text (RFC 8785) as UTF-8. A `.number` inside that isn't finite traps; the parser makes none.
  public func writeCanonical(into output: inout [UInt8]) {
    switch self {
    case .null: write("null", into: &output)
    case .bool(true): write("true", into: &output)
    case .bool(false): write("false", into: &output)
    case .integer(let value): JSONText.writeInteger(value, into: &output)
    case .number(let value): JSONText.writeDouble(value, into: &output)
    case .bigInteger(let text): UTF8Bytes.withBytes(of: text) { output.append(contentsOf: $0) }
    case .string(let value): JSONText.writeString(value, into: &output)
    case .array(let elements):
      output.append(ASCII.openBracket)
      for index in elements.indices {
        if index > 0 { output.append(ASCII.comma) }
        elements[index].writeCanonical(into: &output)
      }
      output.append(ASCII.closeBracket)
    case .object(let object):
      object.writeCanonical(into: &output)
    }
  }

  private func write(_ literal: StaticString, into output: inout [UInt8]) {
    output.append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
  }
}

extension JSONObject {
  /// The canonical text (RFC 8785) as UTF-8. A `.number` inside that isn't finite traps; the parser makes none.
  public var canonicalBytes: [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(128)
    writeCanonical(into: &output)
    return output
  }

  /// The canonical text (RFC 8785). A `.number` inside that isn't finite traps; the parser makes none.
  public var canonicalString: String {
    String(decoding: canonicalBytes, as: UTF8.self)
  }

  /// Appends the canonical text (RFC 8785) as UTF-8. A `.number` inside that isn't finite traps; the parser makes none.
  public func writeCanonical(into output: inout [UInt8]) {
    output.append(ASCII.openBrace)
    var isFirst = true
    for member in self {
      if isFirst { isFirst = false } else { output.append(ASCII.comma) }
      JSONText.writeString(member.key, into: &output)
      output.append(ASCII.colon)
      member.value.writeCanonical(into: &output)
    }
    output.append(ASCII.closeBrace)
  }
}
