import CPostgres

/// The fields of a server's error or notice report, made safe to log.
struct ServerReport {
  let severity: String
  let sqlState: String?
  /// The primary message, or a general sentence where PostgreSQL's own may quote a value.
  let text: String

  init(_ result: OpaquePointer) {
    func field(_ code: Unicode.Scalar) -> String? {
      PQresultErrorField(result, CInt(code.value)).map { String(cString: $0) }
    }
    // The codes of libpq's PQresultErrorField (PG_DIAG_…): V severity, C SQLSTATE, M
    // primary message, R source function, P position, s t c d n names of schema,
    // table, column, data type, constraint. D, H, W and q may quote rows: never read.
    severity = field("V") ?? field("S") ?? "ERROR"
    sqlState = field("C")
    var text = Self.safe(field("M") ?? "no message", sqlState: sqlState, source: field("R"))
    if let position = field("P") { text += " at character \(position)" }
    let names = [
      ("table", field("t")), ("column", field("c")), ("type", field("d")), ("constraint", field("n")),
    ].compactMap { kind, name in name.flatMap { text.contains($0) ? nil : "\(kind) \($0)" } }
    if !names.isEmpty { text += " (\(names.joined(separator: ", ")))" }
    self.text = text
  }

  /// "ERROR 23505: duplicate key value violates unique constraint …".
  var sentence: String { "\(severity) \(sqlState ?? "?????"): \(text)" }

  /// PostgreSQL's primary message if its kind names only objects of the schema, or a sentence of our own if it may
  /// quote what a statement was given.
  static func safe(_ message: String, sqlState: String?, source: String?) -> String {
    let state = sqlState ?? ""
    if source == "exec_stmt_raise" || state == "P0001" || state == "P0004" {
      // SQLSTATEs that begin with DB are those of Daybook's own functions, whose messages are constants.
      if state.hasPrefix("DB") { return message }
      return "a function of the database raised it; its message is left out, since it may quote values"
    }
    switch state.prefix(2) {
    case "22":
      return
        "a value doesn't fit the type or function it is given to; PostgreSQL's message is left out, since it quotes it"
    case "42" where state == "42601" && message.utf8.contains(where: { $0 == 0x27 || (0x30...0x39).contains($0) }):
      return "syntax error; PostgreSQL's message is left out, since it quotes a literal"
    case "38", "39", "HV", "2F":
      return "a function or foreign table of the database failed; its message is left out, since it may quote values"
    default:
      return message
    }
  }
}

extension PostgresError {
  /// The error that the server reported. `lost` says that the connection is gone with it, `interruption` why this side
  /// had asked for the statement's cancellation.
  init(_ report: ServerReport, lost: Bool, interruption: Code?) {
    let code = lost ? .connectionLost : report.sqlState == "57014" ? interruption ?? .cancelled : Code.query
    self.init(code, sqlState: report.sqlState, message: report.sentence)
  }

  static let closed = PostgresError(.connectionLost, message: "the connection to PostgreSQL is closed")
}
