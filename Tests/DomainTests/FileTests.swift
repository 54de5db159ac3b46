import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import NIOConcurrencyHelpers
import Refusals
import Testing

private let hash = String(repeating: "0123456789abcdef", count: 4)
private let otherHash = String(repeating: "f", count: 64)

@Suite struct FileTests {
  /// A file in so many chunks, or uploaded at once.
  private func file(_ book: TestDomain, _ organization: String, _ more: JSONObject = [:]) async throws -> String {
    let params: JSONObject = ["organization_id": .string(organization), "filename": "f.csv", "file_size": 10]
    return try await book.make("file", params.merging(more))
  }

  private func chunk(_ id: String, _ index: Int64) -> JSONObject {
    ["id": .string(id), "index": .integer(index), "size_bytes": 5]
  }

  @Test func `chunks come in any order, and each counts once`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await file(book, acme, ["total_chunks": 7])
    #expect(try book.item(id)["status"] == "uploading")
    #expect(try book.item(id)["upload_progress"] == 0)
    // The ranges, the count and the percentage after each.
    let steps: [(Int64, JSON, JSON)] = [
      (3, [[3, 3]], 14), (5, [[3, 3], [5, 5]], 28), (4, [[3, 5]], 42), (0, [[0, 0], [3, 5]], 57),
      (2, [[0, 0], [2, 5]], 71), (1, [[0, 5]], 85), (6, [[0, 6]], 100),
    ]
    for (count, step) in steps.enumerated() {
      let result = try await book.call("file.add_chunk", chunk(id, step.0).merging(["sha256": .string(hash)]))
      #expect(result.eventNames == ["file.chunk_added"])
      let item = try book.item(id)
      #expect(item["received_chunks"] == step.1)
      #expect(item["upload_progress"] == step.2)
      #expect(item["uploaded_chunks"] == .integer(Int64(count + 1)))
      #expect(try await book.call("file.add_chunk", chunk(id, step.0))["events"] == [])
    }
    let data = try #require(try book.records(of: id).last?.body.data)
    #expect(data == ["index": 6, "size_bytes": 5, "sha256": .string(hash)])
  }

  @Test func `an upload in a thousand chunks keeps its state small, and too many gaps are refused`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await file(book, acme, ["total_chunks": 1000])
    for index: Int64 in 0..<256 { try await book.call("file.add_chunk", chunk(id, index * 2)) }
    let refused = try await book.refusal("file.add_chunk", chunk(id, 999))
    #expect(refused.reason == "state")
    #expect(refused.data["missing"]?.arrayValue?.first == [1, 1])
    for index: Int64 in 0..<256 { try await book.call("file.add_chunk", chunk(id, index * 2 + 1)) }
    #expect(try book.item(id)["received_chunks"] == [[0, 511]])
    #expect(try book.item(id)["upload_progress"] == 51)
  }

  @Test func `an upload is complete when every chunk is there`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await file(book, acme, ["total_chunks": 4])
    let complete: JSONObject = ["id": .string(id), "file_hash": .string(hash), "file_size": 12]
    try await book.call("file.add_chunk", chunk(id, 1))
    let early = try await book.refusal("file.complete", complete)
    #expect(early.reason == "state")
    #expect(early.data["missing"] == [[0, 0], [2, 3]])
    for index: Int64 in [0, 2, 3] { try await book.call("file.add_chunk", chunk(id, index)) }
    let result = try await book.call("file.complete", complete)
    #expect(result.eventNames == ["file.completed"])
    #expect(!result.contains("duplicate_of"))
    let item = try book.item(id)
    #expect(item["status"] == "uploaded" && item["upload_progress"] == 100)
    #expect(item["file_hash"] == .string(hash) && item["file_size"] == 12)
    #expect(item["uploaded_at"] == item["updated_at"])
    #expect(try await book.call("file.complete", complete)["events"] == [], "a repeated report records nothing")
    let other = try await book.refusal("file.complete", complete.merging(["file_hash": .string(otherHash)]))
    #expect(other.reason == "state")
    #expect(other.data["from"] == "uploaded")
    #expect(try await book.call("file.add_chunk", chunk(id, 1))["events"] == [])
    try book.checkIndexes()
  }

  @Test func `what is wrong with a file is refused by name`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await file(book, acme, ["total_chunks": 2])
    for wrong in [hash.uppercased(), String(hash.dropLast()), "z" + hash.dropFirst(), ""] {
      let create = try await book.refusal(
        "file.create",
        ["organization_id": .string(acme), "filename": "f", "file_size": 1, "file_hash": .string(wrong)])
      #expect(create.paths == ["/file_hash"])
      for method in ["file.complete", "file.edit"] {
        let error = try await book.refusal(method, ["id": .string(id), "file_hash": .string(wrong)])
        #expect(error.paths == ["/file_hash"], "\(method) with \(wrong)")
      }
      let chunk = try await book.refusal("file.add_chunk", chunk(id, 0).merging(["sha256": .string(wrong)]))
      #expect(chunk.paths == ["/sha256"])
    }
    for (index, path) in [(2, "/index"), (-1, "/index")] as [(Int64, String)] {
      #expect(try await book.refusal("file.add_chunk", chunk(id, index)).paths == [path])
    }
    #expect(try await book.refusal("file.add_chunk", ["id": .string(id)]).paths == ["/index", "/size_bytes"])
    #expect(try await book.refusal("file.complete", ["id": .string(id)]).paths == ["/file_hash"])
    #expect(try await book.refusal("file.fail", ["id": .string(id)]).paths == ["/error_message"])
    #expect(try await book.refusal("file.finish_processing", ["id": .string(id)]).paths == ["/status"])
    for name in ["upload_progress", "uploaded_chunks", "received_chunks", "uploaded_at", "duplicate_of", "status"] {
      let error = try await book.refusal("file.edit", ["id": .string(id), name: 1])
      #expect(error.paths == ["/\(name)"])
    }
    let early = try await book.refusal(
      "file.create",
      ["organization_id": .string(acme), "filename": "f", "file_size": -1, "status": "processing", "total_chunks": 0])
    #expect(Set(early.paths) == ["/file_size", "/status", "/total_chunks"])
    #expect(
      try await book.refusal("file.create", ["organization_id": .string(acme)]).paths == ["/filename", "/file_size"])
    #expect(try await book.refusal("file.edit", ["id": .string(id), "total_chunks": 3]).paths == ["/total_chunks"])
    let keyed = try await file(book, acme, ["s3_key": "k"])
    let taken = try await book.refusal(
      "file.create", ["organization_id": .string(acme), "filename": "f", "file_size": 1, "s3_key": "k"])
    #expect(taken.reason == "unique" && taken.data["constraint"] == "file_s3_key")
    try await book.call("file.delete", ["id": .string(keyed)])
    _ = try await file(book, acme, ["s3_key": "k"])
  }

  @Test func `a file of the same content is known as a duplicate of the earliest`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let content: JSONObject = ["status": "uploaded", "file_hash": .string(hash)]
    let announced = try await file(book, acme, ["file_hash": .string(hash), "total_chunks": 2])
    let first = try await file(book, acme, content)
    #expect(try book.item(first)["duplicate_of"] == JSON.null, "what is not uploaded yet has no content")
    let item = try book.item(first)
    #expect(item["uploaded_at"] == item["created_at"] && item["upload_progress"] == 100)
    #expect(item["uploaded_chunks"] == 1)
    let second = try await book.call(
      "file.create",
      content.merging(["organization_id": .string(acme), "filename": "copy.csv", "file_size": 10]))
    #expect(second["duplicate_of"] == .string(first))
    let copy = try #require(second["id"]?.stringValue)
    #expect(try book.item(copy)["duplicate_of"] == .string(first))
    for index: Int64 in 0...1 { try await book.call("file.add_chunk", chunk(announced, index)) }
    let complete = try await book.call("file.complete", ["id": .string(announced), "file_hash": .string(hash)])
    #expect(complete["duplicate_of"] == .string(first), "the earliest upload, not the earliest file")
    // Another size, another hash and another organization are other content.
    let others: [(String, JSONObject)] = [
      (acme, ["file_size": 11]), (acme, ["file_hash": .string(otherHash)]), (other, [:]),
    ]
    for (organization, more) in others {
      let id = try await file(book, organization, content.merging(more))
      #expect(try book.item(id)["duplicate_of"] == JSON.null)
    }
    let late = try await file(book, acme, ["status": "uploaded"])
    let edited = try await book.call("file.edit", ["id": .string(late), "file_hash": .string(hash)])
    #expect(edited["duplicate_of"] == .string(first), "a hash that is worked out later is compared too")
    for (name, value) in [("file_hash", .string(otherHash)), ("file_hash", nil), ("file_size", 11)] as [(String, JSON)]
    {
      #expect(try await book.refusal("file.edit", ["id": .string(late), name: value]).paths == ["/\(name)"])
    }
    try book.checkIndexes()
    // When the first goes, the references to it go; the next of them is the original.
    try await book.call("file.delete", ["id": .string(first)])
    #expect(try book.item(copy)["duplicate_of"] == JSON.null)
    let next = try await file(book, acme, content)
    #expect(try book.item(next)["duplicate_of"] == .string(copy))
    try book.checkIndexes()
  }

  @Test func `a failed file says why`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await file(book, acme, ["total_chunks": 2])
    let params: JSONObject = ["id": .string(id), "error_message": "the line went dead"]
    #expect(try await book.call("file.fail", params).eventNames == ["file.failed"])
    #expect(try book.item(id)["status"] == "failed")
    #expect(try book.item(id)["error_message"] == "the line went dead")
    #expect(try await book.call("file.fail", params)["events"] == [])
    for (method, more) in [
      ("file.add_chunk", ["index": 0, "size_bytes": 1]), ("file.complete", ["file_hash": .string(hash)]),
      ("file.fail", ["error_message": "other"]), ("file.begin_processing", [:]),
    ] as [(String, JSONObject)] {
      #expect(try await book.refusal(method, more.merging(["id": .string(id)])).reason == "state", "\(method)")
    }
    let whole = try await file(book, acme, ["status": "uploaded"])
    try await book.call("file.begin_processing", ["id": .string(whole)])
    #expect(try await book.call("file.begin_processing", ["id": .string(whole)])["events"] == [])
    try await book.call(
      "file.finish_processing", ["id": .string(whole), "status": "failed", "error_message": "no columns"])
    #expect(try book.item(whole)["status"] == "failed" && book.item(whole)["error_message"] == "no columns")
    try await book.call("file.begin_processing", ["id": .string(whole)])
    #expect(try book.item(whole)["error_message"] == JSON.null, "a new attempt has not failed")
    try await book.call("file.finish_processing", ["id": .string(whole), "status": "completed"])
    #expect(try book.item(whole)["status"] == "completed")
    let uploading = try await file(book, acme)
    for (method, more) in [("file.begin_processing", [:]), ("file.finish_processing", ["status": "success"])]
      as [(String, JSONObject)]
    {
      #expect(try await book.refusal(method, more.merging(["id": .string(uploading)])).reason == "state")
    }
  }

  @Test func `the server expires a file when its time has come`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    book.clock.withLockedValue { $0 = Timestamp.now }
    let end = Timestamp.now.adding(seconds: 3600)
    let id = try await file(book, acme, ["expires_at": .string(end.text)])
    let forever = try await file(book, acme)
    #expect(try book.item(forever)["expires_at"] == JSON.null && book.item(forever)["is_temporary"] == true)
    for file in [id, forever] {
      #expect(try await book.refusal("file.expire", ["id": .string(file)], as: .server).reason == "state")
    }
    book.clock.withLockedValue { $0 = end }
    #expect(try await book.refusal("file.expire", ["id": .string(id)]).code == .methodNotFound)
    #expect(!book.engine.isCommand("file.expire"))
    let result = try await book.call("file.expire", ["id": .string(id)], as: .server)
    #expect(result.eventNames == ["file.expired"])
    #expect(try book.state(id).isDeleted)
    #expect(try await book.refusal("file.expire", ["id": .string(forever)], as: .server).reason == "state")
    try book.checkIndexes()
  }
}
