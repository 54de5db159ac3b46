import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Records
import Refusals
import Testing
import Vault

extension TestDomain {
  /// An API key with that permission map, and whom it stands for.
  func key(
    _ permissions: JSON, in organization: String, as principal: Principal = administrator
  ) async throws -> (id: String, text: String, principal: Principal) {
    let result = try await call(
      "api_key.create",
      ["name": "key", "organization_id": .string(organization), "permissions": permissions], as: principal)
    let text = try #require(result["api_key"]?.stringValue)
    let id = try #require(result["id"]?.stringValue)
    return (id, text, try #require(try engine.principal(forKey: text)))
  }

  /// The records of a resource, oldest first.
  func records(of id: String) throws -> [(header: EventHeader, body: EventBody)] {
    let identifier = try #require(Identifier(id))
    return try log.read { try $0.history(of: identifier, versions: 1...Int64.max) }.map {
      (try $0.parsedHeader(), try $0.parsedBody())
    }
  }

  /// Everything stored in headers and bodies, as one text.
  func everything() throws -> String {
    try log.read { snapshot in
      try snapshot.records(from: 1, limit: .max, maximumBytes: .max)
        .map { String(decoding: $0.header + $0.body, as: UTF8.self) }.joined(separator: "\n")
    }
  }

  /// The indexes that must be there, by the rules, for every living resource, are; and nothing else is.
  func checkIndexes(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let rules = IndexRules(catalog: catalog, vault: vault)
    try log.read { snapshot in
      var unique: UInt64 = 0
      var links: UInt64 = 0
      for record in try snapshot.records(from: 1, limit: .max, maximumBytes: .max) {
        let header = try record.parsedHeader()
        guard header.version == 1, let state = try snapshot.state(header.resource) else { continue }
        let entries = try rules.entries(for: state) {
          try snapshot.state($0)?.fields["platform"]?.stringValue
        }
        for (constraint, key) in entries.unique {
          #expect(try snapshot.holder(constraint: constraint, key: key) == state.id, sourceLocation: sourceLocation)
        }
        for target in entries.links {
          let referrers = try snapshot.referrers(of: target, type: state.type, limit: .max)
          #expect(referrers.contains { $0.id == state.id }, sourceLocation: sourceLocation)
        }
        unique += UInt64(entries.unique.count)
        links += UInt64(entries.links.count)
      }
      #expect(try snapshot.entryCount("unique") == unique, sourceLocation: sourceLocation)
      #expect(try snapshot.entryCount("links") == links, sourceLocation: sourceLocation)
    }
  }
}

extension Refusal {
  /// The paths of all faults.
  var paths: [String] {
    (data["problems"]?.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
  }

  var reason: String? { data["reason"]?.stringValue }
}

extension JSONObject {
  /// The names of the events that a result lists.
  var eventNames: [String] {
    (self["events"]?.arrayValue ?? []).compactMap { $0["event"]?.stringValue }
  }
}
