import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Testing

/// The schema of MecaPy: what a client of that platform's own database finds.
@Suite struct MecaPyTests {
  static let platform = Tenant.platform

  /// A tenant of the platform in which something is set in every column.
  struct Tenant {
    let organization: String
    let owner: String
    let file: String
    let calculation: String
    let pending: String
    let tool: String
  }

  static func makeTenant(_ harness: TestReadModels, _ name: String) async throws -> Tenant {
    let organization = try await harness.organization(name, platform: platform)
    let owner = try await harness.make(
      "user",
      [
        "email": .string("emmy@\(name).example"), "username": .string("emmy-\(name)"), "first_name": "Emmy",
        "last_name": "Noether", "display_name": "E. Noether", "keycloak_id": .string("kc-\(name)"),
        "organization_id": .string(organization), "membership_role": "owner",
      ])
    let principal = try harness.principal(of: owner)
    try await harness.engine.recordSignIn(of: principal, from: Origin(ip: "192.0.2.7", userAgent: "tests"))
    let file = try await harness.make(
      "file",
      [
        "organization_id": .string(organization), "filename": "mesh.msh", "original_filename": "My mesh.msh",
        "file_size": 2048, "mime_type": "model/mesh", "s3_key": .string("\(name)/mesh.msh"), "s3_bucket": "meca",
        "s3_url": .string("https://s3.example/\(name)/mesh.msh"), "is_public": true, "description": "A mesh",
        "file_hash": .string(String(repeating: "cd", count: 32)), "status": "uploaded",
      ], as: principal)
    let calculation = try await harness.make(
      "calculation",
      [
        "organization_id": .string(organization), "name": "beam", "description": "A beam", "code": "print(1)",
        "parameters": ["load": 12.5],
      ], as: principal)
    try await harness.call(
      "calculation.attach_file", ["id": .string(calculation), "file_id": .string(file), "role": "config"],
      as: principal)
    try await harness.call("calculation.begin", ["id": .string(calculation)], as: principal)
    try await harness.call(
      "calculation.finish",
      [
        "id": .string(calculation), "status": "completed", "result_data": .string(#"{ "stress": 3 }"#),
        "error_message": "one warning", "execution_time": 1.25, "memory_used": 64, "cpu_time": 0.75,
      ], as: principal)
    let pending = try await harness.make(
      "calculation", ["organization_id": .string(organization), "name": "plate", "code": "print(2)"], as: principal)
    let tool = try await harness.make(
      "tool",
      [
        "organization_id": .string(organization), "name": .string("solver-\(name)"), "display_name": "Solver",
        "description": "Solves", "version_label": "1.0", "code_template": "solve()", "docker_image": "meca/solver:1",
        "memory_limit": 512, "cpu_limit": 1.5, "timeout": 60,
      ], as: principal)
    try await harness.call(
      "tool.edit", ["id": .string(tool), "version_label": "1.1", "code_template": "solve(fast=True)"], as: principal)
    return Tenant(
      organization: organization, owner: owner, file: file, calculation: calculation, pending: pending, tool: tool)
  }

  // MARK: - Columns and values

  @Test func `what commands set comes out of the documented columns`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let checks = try PlatformChecks(harness, Self.platform)
      let me = try checks.number(of: tenant.owner)

      let user = try await checks.row("users", of: tenant.owner)
      #expect(user["keycloak_id"] == "kc-acme" && user["username"] == "emmy-acme" && user["last_login"] != .null)
      #expect(user["email"] == "emmy@acme.example" && user["first_name"] == "Emmy" && user["last_name"] == "Noether")
      #expect(user["display_name"] == "E. Noether" && user["is_active"] == true)

      let file = try await checks.row("user_files", of: tenant.file)
      #expect(file["user_id"] == me && file["filename"] == "mesh.msh" && file["original_filename"] == "My mesh.msh")
      #expect(file["file_size"] == 2048 && file["content_type"] == "model/mesh" && file["s3_key"] == "acme/mesh.msh")
      #expect(file["s3_bucket"] == "meca" && file["s3_url"] == "https://s3.example/acme/mesh.msh")
      #expect(file["is_public"] == true && file["description"] == "A mesh" && file["uploaded_at"] != .null)

      let calculation = try await checks.row("calculations", of: tenant.calculation)
      #expect(calculation["status"] == "completed" && calculation["user_id"] == me && calculation["code"] == "print(1)")
      #expect(calculation["parameters"] == #"{"load": 12.5}"# && calculation["result_data"] == #"{ "stress": 3 }"#)
      #expect(calculation["error_message"] == "one warning" && calculation["execution_time"] == 1.25)
      #expect(calculation["memory_used"] == 64 && calculation["cpu_time"] == 0.75)
      #expect(calculation["started_at"] != .null && calculation["completed_at"] != .null)

      let links = try await harness.objects("SELECT * FROM mecapy.calculation_files")
      try #require(links.count == 1)
      #expect(links[0]["calculation_id"] == calculation["id"] && links[0]["file_id"] == file["id"])
      #expect(links[0]["file_role"] == "config" && links[0]["added_at"] != .null)

      let tool = try await checks.row("tools", of: tenant.tool)
      #expect(tool["version"] == "1.1" && tool["code_template"] == "solve(fast=True)" && tool["author_id"] == me)
      #expect(tool["memory_limit"] == 512 && tool["cpu_limit"] == 1.5 && tool["timeout"] == 60)
      let versions = try await harness.objects("SELECT * FROM mecapy.tool_versions ORDER BY version_number")
      #expect(versions.map { $0["version"] ?? .null } == ["1.0", "1.1"])
      #expect(versions.map { $0["code_template"] ?? .null } == ["solve()", "solve(fast=True)"])
      #expect(versions.map { $0["is_active"] ?? .null } == [false, true])
      #expect(versions.allSatisfy { $0["tool_id"] == tool["id"] && $0["created_by"] == me && $0["timeout"] == 60 })
    }
  }

  @Test func `JSON up to the documented length comes out whole, however PostgreSQL would space it`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      let tricky: JSON = ["text": #"a: b, "c": \d"#, "empty": [:]]
      let base = tricky.canonicalString.utf8.count
      let many = JSON.array(Array(repeating: 1, count: (5000 - base - 11) / 2))
      let parameters = JSON.object((tricky.objectValue ?? [:]).merging(["numbers": many]))
      #expect((4980...5000).contains(parameters.canonicalString.utf8.count))
      let calculation = try await harness.make(
        "calculation",
        ["organization_id": .string(tenant.organization), "name": "long", "code": "x", "parameters": parameters],
        as: try harness.principal(of: tenant.owner))
      let shown = try await PlatformChecks(harness, Self.platform).row("calculations", of: calculation)["parameters"]
      #expect(try JSON.parse(shown?.stringValue ?? "") == parameters)
    }
  }

  // MARK: - Views

  /// The views' text as the document prints it.
  static let printedStatistics = """
    SELECT
        u.id,
        u.username,
        COUNT(DISTINCT f.id) as total_files,
        COALESCE(SUM(f.file_size), 0) as total_storage_bytes,
        COUNT(DISTINCT c.id) as total_calculations,
        COUNT(DISTINCT CASE WHEN c.status = 'completed' THEN c.id END) as completed_calculations
    FROM users u
    LEFT JOIN user_files f ON u.id = f.user_id
    LEFT JOIN calculations c ON u.id = c.user_id
    GROUP BY u.id, u.username
    """
  static let printedRecent = """
    SELECT
        c.id,
        c.name,
        c.status,
        c.created_at,
        c.execution_time,
        u.username,
        u.display_name
    FROM calculations c
    JOIN users u ON c.user_id = u.id
    ORDER BY c.created_at DESC
    """

  @Test func `the documented views have the rows of the document's text, and those that the log has`() async throws {
    try await TestReadModels.with { harness in
      let tenant = try await Self.makeTenant(harness, "acme")
      _ = try await Self.makeTenant(harness, "globex")
      let principal = try harness.principal(of: tenant.owner)
      for number in 0..<3 {
        _ = try await harness.make(
          "file",
          [
            "organization_id": .string(tenant.organization), "filename": "f", "original_filename": "f",
            "file_size": .integer(Int64(100 + number)), "mime_type": "text/plain", "s3_key": .string("more/\(number)"),
            "s3_bucket": "meca", "s3_url": "https://s3.example/f", "status": "uploaded",
          ], as: principal)
      }
      // Somebody who has nothing yet.
      let idle = try await harness.make(
        "user",
        [
          "email": "idle@acme.example", "username": "idle", "keycloak_id": "kc-idle",
          "organization_id": .string(tenant.organization),
        ])
      try await harness.settle()
      try await PostgresConnection.with(harness.url) { connection in
        try await connection.execute("SET search_path = mecapy")
        for (view, printed) in [("user_stats", Self.printedStatistics), ("recent_calculations", Self.printedRecent)] {
          let own = try await connection.query("SELECT * FROM \(view) ORDER BY id").rows
          let documented = try await connection.query("SELECT * FROM (\(printed)) AS x ORDER BY id").rows
          #expect(own == documented && own.count >= 3, "\(view)")
        }
        let recent = try await connection.query("SELECT created_at::text FROM recent_calculations").rows
        #expect(recent.count == 4)
        let sorted = try await connection.query(
          "SELECT created_at::text FROM recent_calculations ORDER BY created_at DESC")
        #expect(recent == sorted.rows)
      }
      let checks = try PlatformChecks(harness, Self.platform)
      let states = try checks.states()
      let files = states.filter { $0.type == "file" && $0.fields["owner_id"]?.stringValue == tenant.owner }
      let calculations = states.filter {
        $0.type == "calculation" && $0.fields["user_id"]?.stringValue == tenant.owner
      }
      let bytes = files.reduce(Int64(0)) { $0 + ($1.fields["file_size"]?.integerValue ?? 0) }
      let statistics = try await checks.row("user_stats", of: tenant.owner)
      #expect(statistics["total_files"] == .integer(Int64(files.count)) && files.count == 4)
      #expect(statistics["total_calculations"] == .integer(Int64(calculations.count)) && calculations.count == 2)
      #expect(statistics["completed_calculations"] == 1)
      // The document's join counts a file's size once a calculation.
      #expect(statistics["total_storage_bytes"] == .integer(bytes * Int64(calculations.count)))
      let storage = try #require(checks.platform.queries.first { $0.title == "Storage by user" }?.sql)
      let once = try await harness.objects("SELECT * FROM (\(storage)) AS s WHERE username = 'emmy-acme'")
      #expect(once.map { $0["total_storage_bytes"] ?? .null } == [.integer(bytes)])
      let nothing = try await checks.row("user_stats", of: idle)
      for column in ["total_files", "total_storage_bytes", "total_calculations", "completed_calculations"] {
        #expect(nothing[column] == 0, "\(column)")
      }
    }
  }
}

extension MecaPyTests.Tenant: PlatformSample {
  static let platform = "mecapy"

  static func make(_ harness: TestReadModels, _ name: String) async throws -> Self {
    try await MecaPyTests.makeTenant(harness, name)
  }

  static func addStrangers(_ harness: TestReadModels, _ tenant: Self, _ other: Self) async throws -> RowRules {
    try await harness.call("calculation.delete", ["id": .string(tenant.pending)])
    let checks = try PlatformChecks(harness, platform)
    var shown = try checks.shownNumbers(fallsBack: [])
    for column in ["parameters", "result_data"] {
      shown["calculations.\(column)"] = { value, _ in
        guard let value, value.stringValue == nil else { return value }
        // As PostgreSQL writes jsonb.
        return value == ["load": 12.5] ? .string(#"{"load": 12.5}"#) : "something else"
      }
    }
    return RowRules(shown: shown)
  }

  func expectPersonalValues(_ connection: PostgresConnection, isGranted: Bool) async throws {
    let name = isGranted ? "emmy-acme" : "!"
    let users = try await connection.query("SELECT username FROM mecapy.users")
    #expect(users.rows == [[name]])
    let statistics = try await connection.query("SELECT username, total_files FROM mecapy.user_stats")
    #expect(statistics.rows == [[name, "1"]])
    let links = try await connection.query("SELECT count(*) FROM mecapy.calculation_files")
    #expect(links.rows == [["1"]])
  }
}
