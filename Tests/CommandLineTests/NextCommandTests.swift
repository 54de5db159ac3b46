import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// `daybook next`: three commands that work as they stand.
@Suite struct NextCommandTests {
  @Test func `what it proposes can be pasted, on an empty server and on one with something`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        // Without PostgreSQL, which comes after the first answer, nothing can be proposed of what is there.
        let ready = try await desk.daybook("status", "--wait")
        #expect(ready.status == .code(0), "\(ready.output)\(ready.errors)")
        let first = try await pasted(desk)
        #expect(first.proposed.contains { $0.hasPrefix("daybook call organization.create") })
        #expect(first.output.contains("warehouse.mart.revenue_by_country"), "\(first.output)")

        let organization = try await desk.call("organization.list", [:])["items"]?.arrayValue?.first?["id"] ?? .null
        let made = try await desk.call(
          "pipeline.create", ["organization_id": organization, "name": "it's nightly", "config": ["a": 1]])
        let id = made["id"] ?? .null
        try await desk.call("pipeline.edit", ["id": id, "config": ["a": 2]])
        let second = try await pasted(desk)
        #expect(second.proposed.contains("daybook versions \(id.stringValue ?? "") --diff 1 2"), "\(second.proposed)")
        #expect(second.output.contains("config/a: 1 → 2"), "\(second.output)")
        #expect(second.output.contains("As it was at position") || second.output.contains("it's nightly"))

        let told = try await desk.daybook("next", "--json").json()
        #expect(told["commands"]?.arrayValue?.count == 3)
      }
    }
  }

  /// Pastes what is proposed into a shell that knows nothing, and answers what that shows.
  private func pasted(_ desk: Desk) async throws -> (proposed: [String], output: String) {
    let next = try await desk.daybook("next")
    try #require(next.status == .code(0), "\(next.errors)")
    try #require(next.lines.first == "To try next, in another terminal:")
    let lines = next.lines.dropFirst().map { String($0.dropFirst(2)) }
    // The line before the commands says where the program and the server are.
    try #require(lines.count == 4 && lines[0].hasPrefix("export PATH="), "\(next.output)")
    let shell = try await runProgram(
      ["bash", "-eu", "-c", lines.joined(separator: "\n")], in: desk.directory, directory: "/",
      environment: ["DAYBOOK_DATA": "", "HOME": desk.folder], within: .seconds(120))
    #expect(shell.status == .code(0), "\(lines.joined(separator: "\n")): \(shell.output) \(shell.errors)")
    return (lines.dropFirst().map { $0 }, shell.output + shell.errors)
  }
}
