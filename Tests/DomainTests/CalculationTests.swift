import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

@Suite struct CalculationTests {
  private func tool(_ book: TestDomain, in organization: String, code: String = "print(1)") async throws -> String {
    try await book.make(
      "tool",
      [
        "organization_id": .string(organization), "name": "beam", "display_name": "Beam", "description": "Bends.",
        "code_template": .string(code), "docker_image": "python:3",
      ])
  }

  @Test func `a key that may not read tools gets no tool's code by calculating`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let tool = try await book.make(
      "tool",
      [
        "name": "t", "display_name": "T", "description": "d", "code_template": "the code",
        "docker_image": "python:3.12", "organization_id": .string(acme),
      ])
    let asked: JSONObject = ["name": "c", "tool_id": .string(tool)]
    let narrow = try await book.key(["calculations": ["read", "execute"]], in: acme)
    let refused = try await book.refusal("calculation.create", asked, as: narrow.principal)
    #expect(refused.data["permission"] == "tools:read")
    let wide = try await book.key(["calculations": ["read", "execute"], "tools": ["read"]], in: acme)
    let made = try await book.make("calculation", asked, as: wide.principal)
    #expect(try book.item(made)["code"] == "the code")
  }

  @Test func `a calculation belongs to whoever makes it and runs its tool's code`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let tool = try await tool(book, in: acme)
    let (user, principal) = try await book.member("ann", of: acme)
    let id = try await book.make("calculation", ["name": "c", "tool_id": .string(tool)], as: principal)
    let item = try book.item(id)
    #expect(item["user_id"] == .string(user))
    #expect(item["code"] == "print(1)")
    #expect(item["status"] == "pending")
    #expect(item["organization_id"] == .string(acme), "the organization is the tool's")
    // The code is what it was then.
    try await book.call("tool.edit", ["id": .string(tool), "code_template": "print(2)"])
    #expect(try book.item(id)["code"] == "print(1)")
    let own = try await book.make(
      by: "calculation.start", ["name": "c", "tool_id": .string(tool), "code": "print(3)"], as: principal)
    #expect(try book.item(own)["code"] == "print(3)")
    // The local administrator is no person.
    let nobodys = try await book.make("calculation", ["name": "c", "tool_id": .string(tool)])
    #expect(try book.item(nobodys)["user_id"] == JSON.null)
    let named = try await book.make(
      "calculation", ["name": "c", "tool_id": .string(tool), "user_id": .string(user)])
    #expect(try book.item(named)["user_id"] == .string(user))
    try await book.call("tool.delete", ["id": .string(tool)])
    #expect(try book.item(id)["tool_id"] == JSON.null)
    #expect(try book.item(id)["code"] == "print(1)", "the code stays when the tool goes")
    try book.checkIndexes()
  }

  @Test func `what a calculation lacks or has too much of is refused by name`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let theirs = try await tool(book, in: other)
    let here: JSONObject = ["organization_id": .string(acme), "name": "c"]
    #expect(try await book.refusal("calculation.create", here).paths == ["/code"])
    #expect(try await book.refusal("calculation.create", here.merging(["code": nil])).paths == ["/code"])
    #expect(
      try await book.refusal("calculation.create", here.merging(["tool_id": .string(theirs)])).paths == ["/tool_id"])
    #expect(
      try await book.refusal("calculation.start", ["organization_id": .string(acme), "code": "1"]).paths == ["/name"])
    // Each of these texts has one character more than is allowed.
    let tooLong: [(String, Int)] = [("name", 200), ("description", 2000), ("code", 10_000), ("error_message", 2000)]
    for (field, limit) in tooLong {
      let params = here.merging(["code": "1"]).merging([field: .string(String(repeating: "é", count: limit + 1))])
      #expect(try await book.refusal("calculation.create", params).paths == ["/\(field)"])
      let most = here.merging(["code": "1"]).merging([field: .string(String(repeating: "é", count: limit))])
      _ = try await book.make("calculation", most)
    }
    for (field, limit) in [("parameters", 5_000), ("result_data", 50_000)] {
      // Of a text its own characters count.
      let most = JSON.string(String(repeating: "é", count: limit))
      let more = JSON.string(String(repeating: "é", count: limit + 1))
      let id = try await book.make("calculation", here.merging(["code": "1", field: most]))
      #expect(
        try await book.refusal("calculation.create", here.merging(["code": "1", field: more])).paths == ["/\(field)"])
      #expect(try await book.refusal("calculation.edit", ["id": .string(id), field: more]).paths == ["/\(field)"])
    }
    let id = try await book.make("calculation", here.merging(["code": "1"]))
    let finish = try await book.refusal(
      "calculation.finish",
      [
        "id": .string(id), "status": "timeout", "result_data": .string(String(repeating: "x", count: 50_001)),
        "execution_time": -1, "memory_used": -1, "cpu_time": -0.5,
        "error_message": .string(String(repeating: "x", count: 2001)),
      ])
    #expect(
      Set(finish.paths) == [
        "/status", "/result_data", "/execution_time", "/memory_used", "/cpu_time", "/error_message",
      ])
    #expect(try await book.refusal("calculation.finish", ["id": .string(id)]).paths == ["/status"])
    #expect(try await book.refusal("calculation.edit", ["id": .string(id), "code": nil]).paths == ["/code"])
    #expect(try await book.refusal("calculation.edit", ["id": .string(id), "status": "running"]).paths == ["/status"])
    let outsider = try await book.member("eve", of: other)
    #expect(
      try await book.refusal(
        "calculation.create", here.merging(["code": "1", "user_id": .string(outsider.id)]),
        as: book.member("ann", of: acme).principal
      ).paths == ["/user_id"])
  }

  @Test func `a calculation begins, finishes and is cancelled as runs are`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let params: JSONObject = ["organization_id": .string(acme), "name": "c", "code": "1"]
    let id = try await book.make("calculation", params)
    let begun = try await book.call("calculation.begin", ["id": .string(id), "at": "2026-01-01T00:00:00Z"])
    #expect(begun.eventNames == ["calculation.begun"])
    #expect(try await book.call("calculation.begin", ["id": .string(id)])["events"] == [])
    let finished = try await book.call(
      "calculation.finish",
      [
        "id": .string(id), "status": "completed", "result_data": ["sum": 3], "execution_time": 1.5, "memory_used": 12,
        "cpu_time": 0.5, "at": "2026-01-01T00:00:02Z",
      ])
    #expect(finished.eventNames == ["calculation.finished"])
    let item = try book.item(id)
    #expect(item["status"] == "success")
    #expect(item["result_data"] == ["sum": 3])
    #expect(item["execution_time"] == 1.5 && item["memory_used"] == 12 && item["cpu_time"] == 0.5)
    #expect(
      item["started_at"] == "2026-01-01T00:00:00.000000Z" && item["completed_at"] == "2026-01-01T00:00:02.000000Z")
    #expect(!item.contains("duration_seconds"))
    for method in ["calculation.begin", "calculation.cancel"] {
      #expect(try await book.refusal(method, ["id": .string(id)]).reason == "state")
    }
    // An earlier end that comes late is not taken.
    let late = try await book.call(
      "calculation.finish", ["id": .string(id), "status": "failed", "at": "2026-01-01T00:00:01Z", "error_message": "x"])
    #expect(late["events"] == [])
    let running = try await book.make(by: "calculation.start", params)
    #expect(try book.item(running)["status"] == "running")
    #expect(try book.item(running)["started_at"] == book.item(running)["created_at"])
    try await book.call("calculation.cancel", ["id": .string(running)])
    #expect(try book.item(running)["status"] == "cancelled")
    let failing = try await book.make(by: "calculation.start", params)
    try await book.call(
      "calculation.finish", ["id": .string(failing), "status": "failed", "error_message": "division by zero"])
    #expect(try book.item(failing)["status"] == "failed")
    #expect(try book.item(failing)["error_message"] == "division by zero")
  }

  @Test func `a file is attached once and held fast while the calculation lives`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let id = try await book.make(
      "calculation", ["organization_id": .string(acme), "name": "c", "code": "1"])
    func file(_ organization: String) async throws -> String {
      try await book.make(
        "file", ["organization_id": .string(organization), "filename": "f.csv", "file_size": 1])
    }
    let first = try await file(acme)
    let result = try await book.call("calculation.attach_file", ["id": .string(id), "file_id": .string(first)])
    #expect(result.eventNames == ["calculation.file_attached", "calculation_file.created"])
    #expect(result["id"] == .string(id))
    let attachment = try #require(result["calculation_file_id"]?.stringValue)
    let item = try book.item(attachment)
    #expect(item["role"] == "input" && item["file_id"] == .string(first) && item["calculation_id"] == .string(id))
    #expect(item["organization_id"] == .string(acme))
    let records = try book.records(of: attachment)
    #expect(records.first?.header.causation == (try book.records(of: id).last?.header.id))
    let again = try await book.refusal("calculation.attach_file", ["id": .string(id), "file_id": .string(first)])
    #expect(again.code == .conflict && again.reason == "unique")
    #expect(again.data["constraint"] == "calculation_file_pair")
    let second = try await file(acme)
    try await book.call(
      "calculation.attach_file", ["id": .string(id), "file_id": .string(second), "role": "config"])
    let foreign = try await file(other)
    for (params, path) in [
      (["file_id": .string(foreign)], "/file_id"), (["file_id": .string(id)], "/file_id"), ([:], "/file_id"),
      (["file_id": .string(second), "role": .string(String(repeating: "r", count: 51))], "/role"),
    ] as [(JSONObject, String)] {
      let error = try await book.refusal("calculation.attach_file", params.merging(["id": .string(id)]))
      #expect(error.paths == [path])
    }
    let held = try await book.refusal("file.delete", ["id": .string(first)])
    #expect(held.reason == "reference")
    #expect(held.data["referrers"] == [["resource_type": "calculation_file", "id": .string(attachment)]])
    try await book.call("calculation_file.delete", ["id": .string(attachment)])
    try await book.call("file.delete", ["id": .string(first)])
    let deleted = try await book.call("calculation.delete", ["id": .string(id)])
    #expect(deleted.eventNames == ["calculation.deleted", "calculation_file.deleted"])
    try await book.call("file.delete", ["id": .string(second)])
    try book.checkIndexes()
  }
}
