import CanonicalJSON
import Glibc
import TestBasics
import Testing

/// How people and tools reach the private PostgreSQL.
@Suite(.serialized) struct PrivatePostgresTests {
  @Test(.timeLimit(.minutes(3)))
  func `SQL roles come in by TCP with TLS and a password, and see their platform; its owner never does`() async throws {
    try await withDesk { desk in
      try await desk.makeCertificate("server", for: "localhost")
      let port = try Self.freePort()
      let server = DaybookProcess(
        folder: desk.directory, listen: "none",
        arguments: [
          "--postgres-listen", "127.0.0.1:\(port)", "--tls-certificate", "\(desk.folder)/server.pem", "--tls-key",
          "\(desk.folder)/server.key",
        ])
      try await server.start()
      try await closing(
        {
          let ready = try await desk.daybook("status", "--wait")
          #expect(ready.status == .code(0), "\(ready.output)")
          for slug in ["acme", "other"] {
            let name = JSON.string(slug)
            try await desk.call("organization.create", ["name": name, "slug": name, "platform": "etl_builder"])
          }
          let added = try await desk.daybook("sql-role", "add", "acme_reports", "--organization", "acme")
          #expect(added.status == .code(0), "\(added.errors)")
          let url = "postgresql://acme_reports@127.0.0.1:\(port)/daybook?sslmode=require"
          #expect(added.output.contains("It connects to \(url)\n"), "\(added.output)")
          let password = try await Self.password(of: "acme_reports", desk)
          func psql(_ url: String, _ sql: String) async throws -> ProgramResult {
            try await runProgram(
              ["psql", "-XAtq", "-d", url, "-c", sql], in: desk.directory,
              environment: ["PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"])
          }
          let path = try await psql(url, "SHOW search_path")
          #expect(path.output == "etl_builder, daybook\n", "\(path.errors)")
          // The platform's own view comes first, and has this organization's rows alone.
          let seen = try await psql(url, "SELECT name FROM organizations")
          #expect(seen.output == "acme\n", "\(seen.errors)")
          let plain = try await psql(url.replacing("sslmode=require", with: "sslmode=disable"), "SELECT 1")
          #expect(plain.status != .code(0) && plain.errors.contains("no encryption"), "\(plain.errors)")
          for owner in ["daybook", "daybook_reader"] {
            let refused = try await psql(url.replacing("acme_reports", with: owner), "SELECT 1")
            #expect(refused.errors.contains("pg_hba.conf rejects connection"), "\(refused.errors)")
          }
          // Idle, the server has nothing written.
          func written() async throws -> String { try await server.psql("SELECT pg_current_wal_insert_lsn()") }
          _ = try await eventually("five seconds without a write", within: .seconds(60)) {
            let before = try await written()
            try await Task.sleep(for: .seconds(5))
            return try await written() == before ? true : nil
          }
          // What the status hands out reads everything, and writes nothing.
          let status = try await desk.call("server.status")["postgres"]
          let reader = try #require(status?["url"]?.stringValue)
          #expect(status?["owner_url"]?.stringValue?.hasPrefix("postgresql://daybook@/") == true)
          #expect(
            try await psql(reader, "SELECT name FROM etl_builder.organizations ORDER BY 1").output == "acme\nother\n")
          for sql in [
            "SET default_transaction_read_only = off; DELETE FROM daybook.pipelines", "CREATE TABLE x (i int)",
          ] {
            let write = try await psql(reader, sql)
            #expect(write.status != .code(0), "\(sql): \(write.output)")
          }
          // That PostgreSQL goes away, and comes back, is in the server's log, each once.
          server.signalPostgres(SIGKILL)
          _ = try await eventually("the log tells that it is back", within: .seconds(90)) {
            TestFiles.text(server.errorFile).contains("the read models go on") ? true : nil
          }
          #expect(TestFiles.text(server.errorFile).contains("the read models stand still"))
        },
        {
          let status = try await server.terminate()
          #expect(status == .code(0))
        })
    }
  }

  @Test func `beyond loopback the private PostgreSQL wants a certificate, and one of the operator's no address`()
    async throws
  {
    try await withDesk { desk in
      let open = try await desk.daybook("serve", "--listen", "none", "--postgres-listen", "0.0.0.0:7719")
      #expect(open.status == .code(64) && open.errors.contains("--tls-certificate"), "\(open.errors)")
      let own = try await desk.daybook(
        "serve", "--listen", "none", "--postgres-listen", "127.0.0.1:7719",
        environment: ["DATABASE_URL": "postgresql://me@127.0.0.1:1/none"])
      #expect(own.status == .code(64) && own.errors.contains("private PostgreSQL"), "\(own.errors)")
    }
  }

  /// A role's password, once PostgreSQL has the role.
  private static func password(of role: String, _ desk: Desk) async throws -> String {
    try await eventually("the role \(role) is there", within: .seconds(60)) {
      let outcome = try await desk.daybook("sql-role", "password", role)
      return outcome.status == .code(0) ? outcome.output.split(separator: "\n").first.map(String.init) : nil
    }
  }

  /// A port that nothing listens on at this moment.
  private static func freePort() throws -> Int {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
      }
    }
    try #require(isBound)
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
