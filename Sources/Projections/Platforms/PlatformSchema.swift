import BasicTypes
import Crypto

/// The views under which one platform's document is found: one SQL file of `projections/platforms/`, read and checked.
///
/// The file makes views `<platform>.<table>` over the read models, and functions, each with its comments; nothing else.
/// Every view is a `security_invoker` one, so that whoever reads it sees the rows that row-level security shows them.
package struct PlatformSchema: Sendable, Equatable {
  /// The platform's name, which is also the PostgreSQL schema's.
  package let name: String
  /// The statements, in the order that they depend on each other.
  let statements: [String]
  /// The views that they make, schema-qualified.
  package let views: [String]
  /// The functions that they make, schema-qualified, without arguments.
  package let functions: [String]
  /// SHA-256 of the file, in hexadecimal: another one means that the views have to be made anew.
  let fingerprint: String

  /// - Throws: ``ProjectionError`` `definition`, with the file's name and what is wrong.
  package static func read(_ bytes: [UInt8], file: String) throws -> PlatformSchema {
    let name = String(file.dropLast(".sql".count))
    let file = "platforms/\(file)"
    let text = String(decoding: bytes, as: UTF8.self)
    var views: [String] = []
    var functions: [String] = []
    let statements = SQLText.statements(text)
    for statement in statements {
      var words = String(decoding: SQLText.code(statement), as: UTF8.self).split(whereSeparator: \.isWhitespace)[...]
      guard words.first == "CREATE" else {
        guard words.prefix(2) == ["COMMENT", "ON"] else {
          throw refusal(file, "it may only make views and functions, and comment on them", words)
        }
        continue
      }
      words = words.dropFirst()
      if words.prefix(2) == ["OR", "REPLACE"] { words = words.dropFirst(2) }
      guard let kind = words.popFirst(), let named = words.popFirst().map({ $0.prefix { $0 != "(" } }),
        kind == "VIEW" || kind == "FUNCTION"
      else { throw refusal(file, "it may only make views and functions, and comment on them", words) }
      guard isPlain(named, in: name) else {
        throw refusal(file, "it makes \(named), which is not of the schema \(name)", words)
      }
      if kind == "FUNCTION" {
        functions.append(String(named))
      } else {
        guard words.joined(separator: " ").hasPrefix("WITH (security_invoker = true) AS ") else {
          throw ProjectionError.definition(file, "the view \(named) is not WITH (security_invoker = true)")
        }
        views.append(String(named))
      }
    }
    let repeated = (views + functions).filter { each in (views + functions).count { $0 == each } > 1 }
    guard repeated.isEmpty else { throw ProjectionError.definition(file, "it makes \(repeated[0]) twice") }
    return PlatformSchema(
      name: name, statements: statements, views: views, functions: functions,
      fingerprint: Hex.encode(Array(SHA256.hash(data: bytes))))
  }

  /// Whether a name needs no quotes and is of that schema.
  private static func isPlain(_ qualified: Substring, in schema: String) -> Bool {
    let parts = qualified.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 2 && parts[0] == schema
      && parts.allSatisfy { part in
        part.utf8.first.map { (97...122).contains($0) || $0 == 95 } ?? false
          && part.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
      }
  }

  private static func refusal(_ file: String, _ problem: String, _ words: ArraySlice<Substring>) -> ProjectionError {
    .definition(file, "\(problem): \(words.prefix(4).joined(separator: " "))")
  }
}
