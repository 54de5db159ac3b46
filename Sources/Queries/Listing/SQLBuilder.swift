import BasicTypes
import CanonicalJSON
import Postgres

/// A statement as it grows: its text, and the values that stand in it as `$1`, `$2` … and never as text.
struct SQLBuilder {
  private(set) var text: String
  private(set) var parameters: [PostgresValue] = []

  init(_ text: String = "") {
    self.text = text
  }

  /// Adds SQL that this program wrote.
  mutating func append(_ sql: String) {
    text += sql
  }

  /// The same between other SQL that this program wrote.
  func wrapped(before: String, after: String) -> SQLBuilder {
    var copy = self
    copy.text = before + text + after
    return copy
  }

  /// Takes a value in and returns the placeholder that stands for it.
  mutating func bind(_ value: PostgresValue, as cast: String) -> String {
    parameters.append(value)
    return "$\(parameters.count)::\(cast)"
  }

  /// Takes ids in, as an array.
  mutating func bind(_ identifiers: some Sequence<Identifier>) -> String {
    bind(.array(identifiers.map { $0.text }), as: "uuid[]")
  }

  /// Takes a JSON value in as the given type writes it: strings without quotes, everything else as its JSON text.
  mutating func bind(_ value: JSON, as cast: String) -> String {
    if cast != "jsonb", let text = value.stringValue { return bind(.text(text), as: cast) }
    return bind(.bytes(value.canonicalBytes), as: cast)
  }
}

/// Conditions joined by AND, for a WHERE that may turn out empty.
struct SQLConditions {
  private var conditions: [String] = []

  mutating func add(_ condition: String) {
    conditions.append(condition)
  }

  /// ` WHERE …`, or nothing.
  var clause: String { conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ") }
}
