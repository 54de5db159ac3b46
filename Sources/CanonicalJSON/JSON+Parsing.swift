extension JSON {
  /// The one value that a JSON text (RFC 8259, UTF-8, no byte order mark) holds.
  ///
  /// Takes time linear in the text, but for the sorting of objects whose keys arrive out of order, and no more stack
  /// however deep the text.
  /// - Throws: ``JSONParseError`` with the first fault and its byte.
  public static func parse(
    _ bytes: UnsafeBufferPointer<UInt8>, options: JSONParseOptions = .init()
  ) throws(JSONParseError) -> JSON {
    guard let start = bytes.baseAddress else { throw JSONParseError(code: .unexpectedEnd, offset: 0) }
    var parser = JSONParser(start: start, count: bytes.count, options: options)
    return try parser.parseText()
  }

  /// The one value that a JSON text holds; copies the bytes only where the collection doesn't keep them side by side.
  /// - Throws: ``JSONParseError`` with the first fault and its byte.
  public static func parse(
    _ bytes: some Collection<UInt8>, options: JSONParseOptions = .init()
  ) throws(JSONParseError) -> JSON {
    let outcome = bytes.withContiguousStorageIfAvailable { outcomeOfParsing($0, options) }
    return try (outcome ?? ContiguousArray(bytes).withUnsafeBufferPointer { outcomeOfParsing($0, options) }).get()
  }

  /// The one value that a JSON text holds. Offsets of errors count the bytes of its UTF-8.
  /// - Throws: ``JSONParseError`` with the first fault and its byte.
  public static func parse(_ text: String, options: JSONParseOptions = .init()) throws(JSONParseError) -> JSON {
    try UTF8Bytes.withBytes(of: text) { outcomeOfParsing($0, options) }.get()
  }

  /// A parse for closures that can't carry a typed error.
  private static func outcomeOfParsing(
    _ bytes: UnsafeBufferPointer<UInt8>, _ options: JSONParseOptions
  ) -> Result<JSON, JSONParseError> {
    do throws(JSONParseError) {
      return .success(try parse(bytes, options: options))
    } catch {
      return .failure(error)
    }
  }
}
