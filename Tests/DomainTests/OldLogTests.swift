import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import MerkleTree
import TestBasics
import Testing

/// Logs that earlier programs have left, as they were left: `Tests/Fixtures`.
@Suite struct OldLogTests {
  /// Unpacks a data folder, with its root key beside it.
  private func unpacked(_ name: String) async throws -> (folder: TemporaryFolder, data: String) {
    let folder = try TemporaryFolder()
    let result = try await runProgram(
      ["tar", "-xzf", "\(Repository.root)/Tests/Fixtures/\(name).tar.gz", "-C", folder.path], in: folder)
    try #require(result.status == .code(0), "\(result.errors)")
    return (folder, folder.path + "/data")
  }

  @Test func `a log from before the journal is brought over, its records byte for byte`() async throws {
    let root = "fAhlWAP0mFjcqd3qjkPsnB1n8sV9GwNkh/Ogd+aj4tw="
    let (folder, data) = try await unpacked("log-of-2026-11-29")
    defer { withExtendedLifetime(folder) {} }
    let before = try EventLogVerifier.verify(folder: data + "/log")
    #expect(before.problems == [])
    #expect(before.root == root)
    let book = try TestDomain(data: data)
    let records = try book.log.read { try $0.records(from: 1, limit: 100, maximumBytes: 1 << 24) }
    #expect(records.count == 6)
    let lines = records.flatMap { $0.header + $0.body }
    #expect(lines.withUnsafeBytes { RFC6962.sha256($0) }.base64 == "Ls6DhexSD07WdATJankTZfvolE1vhQzyhXYKMXlCJyY=")
    // What was in headers then is found there.
    #expect(try records.map { try $0.correlation() } == [nil, "ticket-1", nil, nil, nil, "ticket-2"])
    // Two of the three command ids were texts.
    #expect(try await book.engine.hashCommandIDs() == 2)
    let ids = try await book.log.commit { try $0.commands(from: [], limit: 9).entries.map(\.id) }.value
    #expect(ids.count == 3 && ids.filter { $0.hasPrefix("#") }.count == 2)
    let again = try await book.engine.apply(
      method: "organization.create",
      params: [
        "command_id": "ann@example.org", "correlation_id": "ticket-1", "id": "01a22000-0000-7000-8000-000000000001",
        "name": "Old works", "slug": "old-works",
      ], principal: TestDomain.administrator)
    #expect(again.position == 2)
    #expect(try JSON.parse(again.resultBytes)["replayed"] == true)
    let edited = try await book.engine.apply(
      method: "pipeline.edit",
      params: ["id": "01a22000-0000-7000-8000-000000000002", "name": "orders at last", "correlation_id": "ticket-3"],
      principal: TestDomain.administrator)
    #expect(try book.log.read { try $0.record(at: edited.position)?.correlation() } == "ticket-3")
    #expect(try book.log.read { try $0.root(size: 6) }.base64 == root)
    book.close()
    let after = try EventLogVerifier.verify(folder: data + "/log")
    #expect(after.problems == [])
    #expect(after.events == 7)
  }
}
