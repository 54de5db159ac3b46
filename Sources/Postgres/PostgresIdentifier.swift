/// Names of schemas, tables, columns and roles inside SQL text.
public enum PostgresIdentifier {
  /// The name between double quotes, so that SQL takes it as it is, whatever characters it holds (PostgreSQL cuts names
  /// beyond 63 bytes). U+0000, which no name can hold, is refused by every call that sends SQL.
  public static func quote(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }

  /// A schema-qualified name, both parts quoted.
  public static func quote(_ schema: String, _ name: String) -> String { quote(schema) + "." + quote(name) }
}

/// Constants inside SQL text, for statements that take no parameters (DDL). Never use it for personal or secret values:
/// unlike parameters, SQL text can reach the server's log.
public enum PostgresLiteral {
  /// The text as an SQL string constant. Safe whatever `standard_conforming_strings` says, since a text with a
  /// backslash is written as an escape string.
  public static func quote(_ text: String) -> String {
    var quoted = text.utf8.contains(UInt8(ascii: "\\")) ? " E'" : "'"
    for scalar in text.unicodeScalars {
      if scalar == "'" || scalar == "\\" { quoted.unicodeScalars.append(scalar) }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted + "'"
  }
}
