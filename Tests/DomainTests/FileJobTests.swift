import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

@Suite struct FileJobTests {
  private func uploaded(_ book: TestDomain, _ organization: String) async throws -> String {
    try await book.make(
      "file",
      ["organization_id": .string(organization), "filename": "f", "file_size": 1, "status": "uploaded"])
  }

  @Test func `a job takes its file through processing`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let file = try await uploaded(book, acme)
    let output = try await uploaded(book, acme)
    let pending = try await book.call("file_job.create", ["file_id": .string(file), "job_type": "conversion"])
    let job = try #require(pending["id"]?.stringValue)
    #expect(try book.item(job)["status"] == "pending" && book.item(job)["organization_id"] == .string(acme))
    #expect(try book.item(file)["status"] == "uploaded")
    let begun = try await book.call("file_job.begin", ["id": .string(job)])
    #expect(begun.eventNames == ["file_job.begun", "file.processing_begun"])
    #expect(try book.item(file)["status"] == "processing")
    #expect(try book.records(of: file).last?.header.causation == book.records(of: job).last?.header.id)
    #expect(try book.item(job)["started_at"] == book.item(job)["updated_at"])
    #expect(try await book.call("file_job.begin", ["id": .string(job)])["events"] == [])
    for percent in [10, 10, 60] as [Int64] {
      try await book.call("file_job.progress", ["id": .string(job), "progress": .integer(percent)])
      #expect(try book.item(job)["progress"] == .integer(percent))
    }
    #expect(try book.state(job).version == 4, "progress that says nothing new records nothing")
    let ended = try await book.call(
      "file_job.finish",
      [
        "id": .string(job), "status": "completed", "result_data": ["rows": 7], "output_file_id": .string(output),
      ])
    #expect(ended.eventNames == ["file_job.finished", "file.processing_finished"])
    let item = try book.item(job)
    #expect(item["status"] == "success" && item["progress"] == 100 && item["result_data"] == ["rows": 7])
    #expect(item["output_file_id"] == .string(output) && item["completed_at"] == item["updated_at"])
    #expect(try book.item(file)["status"] == "completed")
    #expect(try await book.call("file_job.finish", ["id": .string(job), "status": "success"])["events"] == [])
    for (id, name) in [(file, "the file"), (output, "its output")] {
      let held = try await book.refusal("file.delete", ["id": .string(id)])
      #expect(held.reason == "reference", "\(name)")
      #expect(held.data["referrers"] == [["resource_type": "file_job", "id": .string(job)]])
    }
    try book.checkIndexes()
  }

  @Test func `a file has ended with its last running job, and any that failed fails it`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let file = try await uploaded(book, acme)
    func start(_ type: String) async throws -> String {
      try await book.make(by: "file_job.start", ["file_id": .string(file), "job_type": .string(type)])
    }
    let validation = try await start("validation")
    let extraction = try await start("extraction")
    #expect(try book.item(validation)["status"] == "running")
    try await book.call(
      "file_job.finish", ["id": .string(validation), "status": "failed", "error_message": "row 3"])
    #expect(try book.item(file)["status"] == "processing" && book.item(file)["error_message"] == "row 3")
    try await book.call("file_job.finish", ["id": .string(extraction), "status": "success"])
    #expect(try book.item(file)["status"] == "failed" && book.item(file)["error_message"] == "row 3")
    let again = try await start("validation")
    #expect(try book.item(file)["status"] == "processing" && book.item(file)["error_message"] == JSON.null)
    try await book.call("file_job.finish", ["id": .string(again), "status": "success"])
    #expect(try book.item(file)["status"] == "completed")
    let silent = try await start("conversion")
    try await book.call("file_job.finish", ["id": .string(silent), "status": "failed"])
    #expect(try book.item(file)["error_message"] == "A conversion job failed.")
    // One that never began leaves the file alone.
    let before = try book.state(file).version
    let idle = try await book.make("file_job", ["file_id": .string(file), "job_type": "validation"])
    try await book.call("file_job.finish", ["id": .string(idle), "status": "failed"])
    #expect(try book.state(file).version == before)
  }

  @Test func `what a job cannot do is refused by name`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let file = try await uploaded(book, acme)
    let uploading = try await book.make(
      "file", ["organization_id": .string(acme), "filename": "f", "file_size": 1])
    let early = try await book.refusal(
      "file_job.start", ["file_id": .string(uploading), "job_type": "validation"])
    #expect(early.reason == "state" && early.data["from"] == "uploading")
    #expect(
      try await book.refusal("file_job.start", ["file_id": .string(file), "job_type": "magic"]).paths == ["/job_type"])
    #expect(
      try await book.refusal("file_job.create", ["organization_id": .string(acme)]).paths == ["/job_type"])
    let foreign: JSONObject = [
      "organization_id": .string(other), "file_id": .string(file), "job_type": "validation",
    ]
    #expect(try await book.refusal("file_job.create", foreign).paths == ["/file_id"])
    let job = try await book.make("file_job", ["file_id": .string(file), "job_type": "validation"])
    #expect(try await book.refusal("file_job.progress", ["id": .string(job), "progress": 1]).reason == "state")
    try await book.call("file_job.begin", ["id": .string(job)])
    try await book.call("file_job.progress", ["id": .string(job), "progress": 40])
    for percent in [39, -1, 101] as [Int64] {
      let error = try await book.refusal("file_job.progress", ["id": .string(job), "progress": .integer(percent)])
      #expect(error.paths == ["/progress"])
    }
    #expect(try await book.refusal("file_job.progress", ["id": .string(job)]).paths == ["/progress"])
    #expect(try await book.refusal("file_job.edit", ["id": .string(job), "progress": 90]).paths == ["/progress"])
    #expect(try await book.refusal("file_job.finish", ["id": .string(job)]).paths == ["/status"])
    for status in ["running", "cancelled"] {
      let error = try await book.refusal("file_job.finish", ["id": .string(job), "status": .string(status)])
      #expect(error.paths == ["/status"])
    }
    let theirs = try await uploaded(book, other)
    let finish: JSONObject = ["id": .string(job), "status": "success", "output_file_id": .string(theirs)]
    #expect(try await book.refusal("file_job.finish", finish).paths == ["/output_file_id"])
    try await book.call("file_job.finish", ["id": .string(job), "status": "failed"])
    for (method, more) in [
      ("file_job.begin", [:]), ("file_job.progress", ["progress": 99]), ("file_job.finish", ["status": "success"]),
    ] as [(String, JSONObject)] {
      #expect(try await book.refusal(method, more.merging(["id": .string(job)])).reason == "state", "\(method)")
    }
  }
}
