import Access
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Projections
import Refusals
import TestBasics
import Testing

/// Commands go in, rows of the platforms' schemas come out.
extension TestReadModels {
  /// The error that a command is refused with.
  func refusal(
    _ method: String, _ params: JSONObject, as principal: Principal = TestDomain.administrator,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Refusal {
    try await domain.refusal(method, params, as: principal, sourceLocation: sourceLocation)
  }

  /// A new organization of a platform.
  func organization(_ slug: String, platform: String, _ more: JSONObject = [:]) async throws -> String {
    try await domain.organization(slug, platform: platform, more.merging(["name": .string("Organization \(slug)")]))
  }

  /// The principal of a user, with the memberships that the user has by now.
  func principal(of user: String) throws -> Principal { try domain.principal(user) }

  /// What the log holds about a resource, sealed values sealed.
  func state(_ id: String) throws -> ResourceState { try domain.state(id) }

  /// Rows of a query as the databases' owner, after every read model has everything.
  func settledRows(_ sql: String, _ parameters: [PostgresValue] = []) async throws -> [[String?]] {
    try await settle()
    return try await rows(sql, parameters)
  }

  /// Rows of a query as objects, column names as keys: as `row_to_json` writes them.
  func objects(_ sql: String) async throws -> [JSON] {
    try await settledRows("SELECT to_jsonb(x)::text FROM (\(sql)) AS x").map { row in
      try JSON.parse(row.first.flatMap { $0 } ?? "null")
    }
  }

  /// The one row of a relation with that id.
  func row(_ relation: String, _ id: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> JSON {
    let found = try await objects("SELECT * FROM \(relation) WHERE id::text = '\(id)'")
    #expect(found.count == 1, "\(relation) \(id)", sourceLocation: sourceLocation)
    return try #require(found.first, "\(relation) has no row \(id)", sourceLocation: sourceLocation)
  }

  /// Makes a restricted SQL role of an organization with a password, and returns its URL.
  func role(of organization: String, personal: Bool) async throws -> String {
    let name = "reader_\(UInt32.random(in: 0...UInt32.max))"
    _ = try await make(
      "sql_role",
      ["name": .string(name), "organization_id": .string(organization), "personal": .bool(personal)])
    try await settle()
    try await projections.setPassword(role: name, password: "hunter2")
    return signingIn(to: url, as: name, password: "hunter2")
  }
}
