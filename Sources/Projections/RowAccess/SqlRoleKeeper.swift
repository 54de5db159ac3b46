import Crypto
import Logging
import Postgres

/// Keeps PostgreSQL's roles as the `sql_role` resources say: each may sign in and
/// read its organization's rows, within bounds, nothing else.
///
/// A role that Daybook didn't make (one outside of the group `daybook_sql`) is never touched, whatever its name.
struct SqlRoleKeeper: Sendable {
  let logger: Logger

  /// Makes the group role where it is missing; whether there is one.
  static func ensureGroup(_ session: PostgresSession, logger: Logger) throws -> Bool {
    if try session.query("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", [.text(AccessRules.group)]).rowCount == 1
    {
      return true
    }
    do {
      try session.execute("CREATE ROLE \(AccessRules.group) NOLOGIN")
      return true
    } catch {
      // Another server on the same cluster was quicker.
      if error.sqlState == "42710" || error.sqlState == "23505" { return true }
      guard error.sqlState == "42501" else { throw error }
      logger.warning(
        "the database role may not create roles, so there is no SQL access: run CREATE ROLE daybook_sql NOLOGIN as a superuser"
      )
      return false
    }
  }

  /// Makes and drops roles so that they are those of the living rows of `daybook.sql_roles`.
  func synchronize(_ session: PostgresSession) throws {
    let wanted = try session.query(
      """
      SELECT r.name, r.organization_id, coalesce(r.personal, false), o.platform FROM daybook.sql_roles AS r
      LEFT JOIN daybook.organizations AS o ON o.id = r.organization_id
      WHERE r.deleted_at IS NULL AND r.name IS NOT NULL
      """)
    let present = try session.query(
      """
      SELECT r.rolname FROM pg_catalog.pg_roles AS r
      JOIN pg_catalog.pg_auth_members AS m ON m.member = r.oid
      JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
      WHERE g.rolname = $1
      """, [.text(AccessRules.group)])
    let members = Set(present.rows.compactMap { $0[0] })
    let recorded = Set(try session.query("SELECT role_name FROM projector.sql_roles").rows.compactMap { $0[0] })
    var kept: Set<String> = []
    for row in wanted.rows {
      guard let name = row[0], let organization = row[1] else { continue }
      let isMade = try members.contains(name) || create(name, platform: row[3], session)
      guard isMade else { continue }
      kept.insert(name)
      try session.query(
        """
        INSERT INTO projector.sql_roles (role_name, organization_id, personal) VALUES ($1, $2, $3)
        ON CONFLICT (role_name) DO UPDATE SET organization_id = excluded.organization_id, personal = excluded.personal
        """, [.text(name), .uuid(organization), .text(row[2] ?? "f")])
    }
    if !kept.isEmpty { try SqlRoleBounds.apply(to: kept, session, logger: logger) }
    for name in recorded.subtracting(kept) {
      // First what the policies ask, so that the role reads nothing even where it can't be dropped.
      try session.query("DELETE FROM projector.sql_roles WHERE role_name = $1", [.text(name)])
      if members.contains(name) { try drop(name, session) }
    }
  }

  /// Makes a role, whose sessions find the views of its organization's platform, and then the read models, without a
  /// schema's name. What is set for it later stays.
  private func create(_ name: String, platform: String?, _ session: PostgresSession) throws -> Bool {
    let role = PostgresIdentifier.quote(name)
    let schemas = [platform, "daybook"].compactMap { $0 }.map { PostgresIdentifier.quote($0) }
    do {
      try session.savepoint { session in
        try session.execute("CREATE ROLE \(role) LOGIN IN ROLE \(AccessRules.group)")
        try session.execute("ALTER ROLE \(role) SET search_path = \(schemas.joined(separator: ", "))")
      }
      return true
    } catch let error as PostgresError {
      guard error.code == .query, !error.mayPass else { throw error }
      logger.warning("the SQL role \(name) can't be made: \(error.message)")
      return false
    }
  }

  private func drop(_ name: String, _ session: PostgresSession) throws {
    let role = PostgresIdentifier.quote(name)
    do {
      try session.savepoint { try $0.execute("DROP ROLE \(role)") }
    } catch let error as PostgresError {
      guard error.code == .query, !error.mayPass else { throw error }
      logger.warning("the SQL role \(name) can't be dropped, only locked out: \(error.message)")
      try session.execute("ALTER ROLE \(role) NOLOGIN")
      try session.execute("REVOKE \(AccessRules.group) FROM \(role)")
    }
  }

  /// Sets the password of a role that a `sql_role` resource made; PostgreSQL gets
  /// only the SCRAM-SHA-256 verifier (RFC 5803).
  /// - Throws: ``ProjectionError`` `role` where Daybook made no such role; `PostgresError`.
  static func setPassword(role: String, password: String, _ session: PostgresSession) throws {
    guard try session.query("SELECT FROM projector.sql_roles WHERE role_name = $1", [.text(role)]).rowCount == 1 else {
      throw ProjectionError(.role, "There is no SQL role \(role) yet.")
    }
    let verifier = try ScramVerifier.make(password: password)
    try session.execute(
      "ALTER ROLE \(PostgresIdentifier.quote(role)) PASSWORD \(PostgresLiteral.quote(verifier))")
  }
}

/// What PostgreSQL keeps of a password (RFC 5802, RFC 5803).
enum ScramVerifier {
  /// The verifier of a password of printable ASCII characters, which SASLprep (RFC 4013) leaves as they are.
  /// - Throws: ``ProjectionError`` `role` for any other password.
  static func make(password: String, iterations: Int = 4096) throws -> String {
    guard !password.isEmpty, password.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
      throw ProjectionError(.role, "The password of an SQL role is of printable ASCII characters, and not empty.")
    }
    var generator = SystemRandomNumberGenerator()
    let salt = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
    return verifier(password: Array(password.utf8), salt: salt, iterations: iterations)
  }

  static func verifier(password: [UInt8], salt: [UInt8], iterations: Int) -> String {
    let key = SymmetricKey(data: password)
    var block = Array(HMAC<SHA256>.authenticationCode(for: salt + [0, 0, 0, 1], using: key))
    var salted = block
    for _ in 1..<iterations {
      block = Array(HMAC<SHA256>.authenticationCode(for: block, using: key))
      for index in salted.indices { salted[index] ^= block[index] }
    }
    let saltedKey = SymmetricKey(data: salted)
    let clientKey = Array(HMAC<SHA256>.authenticationCode(for: Array("Client Key".utf8), using: saltedKey))
    let storedKey = Array(SHA256.hash(data: clientKey))
    let serverKey = Array(HMAC<SHA256>.authenticationCode(for: Array("Server Key".utf8), using: saltedKey))
    return "SCRAM-SHA-256$\(iterations):\(base64(salt))$\(base64(storedKey)):\(base64(serverKey))"
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var out: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var word = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      word <<= UInt32(8 * (3 - group.count))
      for index in 0..<4 {
        out.append(index <= group.count ? alphabet[Int(word >> UInt32(18 - 6 * index)) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
