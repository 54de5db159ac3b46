import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Projections
import Refusals
import Testing

/// Whatever a command accepts, PostgreSQL holds: values at and beyond the edges of
/// every type are sent for every field of every resource type.
@Suite struct AcceptedValueTests {
  @Test func `no accepted value of any field stops a read model, and each comes out as it went in`() async throws {
    try await TestReadModels.with { harness in
      let maker = try await ResourceMaker(nil, catalog: harness.catalog) { method, params in
        try await harness.call(method, params)
      }
      var accepted: [(type: ResourceType, field: Field, id: String)] = []
      var refused = 0
      for type in harness.catalog.types where type.hasReadModel && type.command("create") != nil {
        for field in type.fields where field.isAssignable && field.reference == nil {
          for value in Self.values(for: field) {
            var params = try await maker.parameters(for: type.name)
            params[field.name] = value
            do {
              let result = try await harness.call("\(type.name).create", params)
              accepted.append((type, field, try #require(result["id"]?.stringValue)))
            } catch let error as Refusal {
              let code = error.code
              #expect(
                code == .invalidParams || code == .tooLarge || code == .forbidden
                  || (code == .conflict && error.data["reason"] == "unique"),
                "\(type.name).\(field.name): \(error)")
              refused += 1
            }
          }
        }
      }
      #expect(accepted.count > 500 && refused > 500, "\(accepted.count) accepted, \(refused) refused")
      try await harness.settle()
      for status in await harness.projections.status() {
        #expect(status.error == nil, "\(status.name) stopped: \(String(describing: status.error))")
      }
      try await compare(accepted, harness)
    }
  }

  /// Compares what the rows hold with what the log holds.
  private func compare(
    _ accepted: [(type: ResourceType, field: Field, id: String)], _ harness: TestReadModels
  ) async throws {
    for (type, fields) in Dictionary(grouping: accepted, by: \.type.name) {
      let plural = try #require(harness.catalog.type(type)?.plural)
      let rows = try await harness.settledRows("SELECT id::text, to_jsonb(x)::text FROM daybook.\(plural) AS x")
      let byID = Dictionary(rows.compactMap { row in row[0].map { ($0, row[1] ?? "null") } }) { first, _ in first }
      for (_, field, id) in fields {
        let text = try #require(byID[id], "\(type) \(id) has no row")
        guard field.personal == nil, field.secret == nil else { continue }
        let shown = try JSON.parse(text)[field.name] ?? .null
        let held = try harness.state(id).fields[field.name] ?? .null
        switch held {
        case .string, .bool, .null, .integer:
          guard field.type != .timestamp, field.type != .ip else { continue }
          #expect(shown == held, "\(type).\(field.name)")
        default: continue
        }
      }
    }
  }

  private static let texts: [JSON] = [
    "", " ", "a\u{0}b", "é\u{1F600}\u{202E}", "'; DROP TABLE daybook.users; --", "\\N", "\\.", "\t\r\n", "null", "{}",
    .string(String(repeating: "x", count: 70_000)), .string(String(repeating: "é", count: 255)),
  ]

  private static let documents: [JSON] = [
    [:], [], "text", .bool(false), .number(1e300), .bigInteger(String(repeating: "9", count: 1_000)),
    .bigInteger(String(repeating: "9", count: 1_001)), ["a\u{0}": 1], ["$sealed": "x"], ["$dropped": 1],
    nested(250), nested(260), ["é": ["\u{1F600}", .null, .number(.leastNonzeroMagnitude)]],
  ]

  private static func nested(_ depth: Int) -> JSON {
    (0..<depth).reduce(JSON.array([])) { inner, _ in .array([inner]) }
  }

  private static func values(for field: Field) -> [JSON] {
    switch field.type {
    case .string, .text, .slug, .email: texts
    case .integer, .bigint:
      [
        0, -1, .integer(Int64(Int32.max)), .integer(Int64(Int32.max) + 1), .integer(.max), .integer(.min),
        .bigInteger("9223372036854775808"), .number(1.5), "1",
      ]
    case .float:
      [
        0, .number(-0.0), .number(1e308), .number(.leastNonzeroMagnitude), .number(0.1),
        .bigInteger("1" + String(repeating: "0", count: 400)), "1",
      ]
    case .boolean: [true, false, "true", 1]
    case .timestamp:
      [
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "10000-01-01T00:00:00Z", "2024-02-30T00:00:00Z",
        "2024-01-01T00:00:00+14:00", "2024-01-01T00:00:00", "0001-01-01T00:00:00+05:00", "",
      ]
    case .json, .object: documents
    case .tags:
      [
        [], [""], ["a\u{0}"], [.string(String(repeating: "é", count: 1_000))],
        [.string(String(repeating: "é", count: 1_001))], [1], ["{}", "\"", "\\", ","],
      ]
    case .list: [[], [[:]], [1], "x"]
    case .enum: field.values.map(JSON.string) + ["", "no_such_word"]
    case .uuid, .reference: ["", "x", "00000000-0000-0000-0000-000000000000"]
    case .ip: ["::1", "192.0.2.1", "192.0.2.0/24", "::ffff:192.0.2.1", ""]
    }
  }
}
