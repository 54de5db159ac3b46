import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Failpoints
import MerkleTree
import TestBasics
import Testing
import Vault

#if canImport(Glibc)
  import Glibc
#endif

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
    // Two of the three command ids were texts. What was kept of the requests covered secrets, and isn't any more.
    let commands = try await book.log.commit { try $0.commands(from: [], limit: 9).entries }.value
    #expect(commands.count == 3 && commands.filter { $0.id.hasPrefix("#") }.count == 2)
    #expect(commands.allSatisfy { $0.command.fingerprint.allSatisfy { $0 == 0 } })
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

  /// The server was killed while its journal had events that the pages lacked.
  @Test func `a log of the first format with a journal is brought over, with what the journal alone has`() async throws
  {
    let root = "lYPxlBTYz9iaPy4TbCOa0Qz8KRIdlvDLtI+DMg/FCBM="
    let (folder, data) = try await unpacked("log-of-2026-11-30")
    defer { withExtendedLifetime(folder) {} }
    let before = try EventLogVerifier.verify(folder: data + "/log")
    #expect(before.problems == [])
    #expect(before.events == 468 && before.root == root)
    #expect(EventLogUpgrade.earlierFormat(of: data + "/log") == "daybook-log-1")
    var was: [UInt8] = []
    _ = try EventLog.allRecords(in: data + "/log") { record in
      was += record.header + record.body
      return true
    }
    let book = try TestDomain(data: data)
    let records = try book.log.read { try $0.records(from: 1, limit: 1000, maximumBytes: 1 << 26) }
    #expect(records.count == 468)
    #expect(records.flatMap { $0.header + $0.body } == was)
    try book.log.read { snapshot in
      #expect(try snapshot.root(size: 468).base64 == root)
      // A proof of old, by what is stored in tiles now.
      let leaf = records[299].header.withUnsafeBytes { RFC6962.leafHash($0) }
      #expect(try snapshot.treeNode(level: 0, index: 299) == leaf)
      let proof = try snapshot.inclusionProof(index: 299, size: 400)
      #expect(
        MerkleProof.verifyInclusion(
          leaf: leaf, index: 299, size: 400, proof: proof, root: try snapshot.root(size: 400)))
    }
    // The password of before, whose hash stands as it did.
    let ann = try await book.engine.principal(email: "ann@example.org", password: "correct horse battery")
    #expect(ann != nil)
    let again = try await book.engine.apply(
      method: "pipeline.create",
      params: [
        "id": "01a22000-0000-7000-8000-000000000002", "name": "orders",
        "command_id": "3f2b8c1e-5d64-4a7b-9c0d-1e2f3a4b5c6d",
        "organization_id": "01a22000-0000-7000-8000-000000000001",
      ], principal: TestDomain.administrator)
    #expect(again.position == 5)
    book.close()
    #expect(EventLogUpgrade.earlierFormat(of: data + "/log") == nil)
    #expect(try EventLogVerifier.verify(folder: data + "/log").problems == [])
  }

  @Test func `an open of a log of the first format says that a start brings it over, and changes nothing`() async throws
  {
    let (folder, data) = try await unpacked("log-of-2026-11-29")
    defer { withExtendedLifetime(folder) {} }
    var configuration = EventLogConfiguration(folder: data + "/log")
    configuration.lockFile = data + "/lock"
    let refusal = #expect(throws: EventLogError.self) { try EventLog.open(configuration).close() }
    #expect(refusal?.message.contains("A start of the server brings it over") == true)
    #expect(try EventLogVerifier.verify(folder: data + "/log").problems == [])
  }

  @Test(arguments: Failpoint.of(.reindexing))
  func `killed at any step of being brought over, a log is as it was or done`(point: Failpoint) async throws {
    let (folder, data) = try await unpacked("log-of-2026-11-30")
    defer { withExtendedLifetime(folder) {} }
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [data = data as String, point = point as Failpoint] in
      let vault = try Vault.open(folder: data + "/vault")
      var configuration = EventLogConfiguration(folder: data + "/log")
      configuration.lockFile = data + "/lock"
      configuration.failpoints = try Failpoints(parsing: "\(point.rawValue):kill")
      let catalog = try Catalog.load(folder: "\(Repository.root)/schema")
      try EventLogUpgrade.run(configuration) {
        try IndexDerivation.recorded(in: $0, vault: vault, otherwise: catalog)
      }
    }
    #expect(try EventLogVerifier.verify(folder: data + "/log").problems == [])
    let book = try TestDomain(data: data)
    #expect(book.log.head.position == 468)
    #expect(book.log.head.root.base64 == "lYPxlBTYz9iaPy4TbCOa0Qz8KRIdlvDLtI+DMg/FCBM=")
    book.close()
    let after = try EventLogVerifier.verify(folder: data + "/log")
    #expect(after.problems == [] && after.events == 468)
  }
}
