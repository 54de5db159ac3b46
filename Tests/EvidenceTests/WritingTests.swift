import CanonicalJSON
import Evidence
import Foundation
import MerkleTree
import TestBasics
import Testing

@Suite struct WritingTests {
  private static let question: JSONObject = ["resource_types": ["pipeline"], "from": 5]

  @Test func `however far an export came when it was interrupted, it is gone on with and is the same`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(130)
      let whole = folder.path + "/whole"
      let exports = FakeLog.Exports()
      try await log.bundle(Self.question, into: whole, exports: exports)
      #expect(exports.calls.count { $0 == "log.headers" } >= 3 && exports.calls.count > 12)
      for limit in 0..<exports.calls.count {
        let path = "\(folder.path)/\(limit)"
        let first = FakeLog.Exports()
        first.failsAfter = limit
        await #expect(throws: HarnessError.self) { try await log.bundle(Self.question, into: path, exports: first) }
        let files = try FileManager.default.contentsOfDirectory(atPath: path)
        #expect(files.contains(BundleFile.state), "\(files)")
        #expect(try !Verifiers.swift(path, key: log.signer.verifier).isProved)
        let second = FakeLog.Exports()
        second.terms = first.terms
        try await log.bundle(Self.question, into: path, exports: second)
        #expect(second.calls.contains("export.create") == (limit == 0), "the same export, of the same tree")
        for name in try FileManager.default.contentsOfDirectory(atPath: whole) {
          #expect(try bytes("\(path)/\(name)") == bytes("\(whole)/\(name)"), "\(name) after \(limit) calls")
        }
        #expect(!FileManager.default.fileExists(atPath: "\(path)/\(BundleFile.state)"))
      }
    }
  }

  @Test func `a line that a kill has torn is written anew`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(130)
      let exports = FakeLog.Exports()
      exports.failsAfter = 12
      let path = folder.path + "/bundle"
      await #expect(throws: HarnessError.self) { try await log.bundle(Self.question, into: path, exports: exports) }
      for name in [BundleFile.headers, BundleFile.events] {
        let written = try bytes("\(path)/\(name)")
        #expect(written.count > 2000, "\(name)")
        try write(Array(written.dropLast(3)), to: "\(path)/\(name)")
      }
      // What a replacement of a small file leaves when it is interrupted.
      try write(Array("{".utf8), to: "\(path)/\(BundleFile.manifest).new")
      let second = FakeLog.Exports()
      second.terms = exports.terms
      try await log.bundle(Self.question, into: path, exports: second)
      for verdict in try await Verifiers.both(path, key: log.signer.verifier, in: folder) {
        #expect(verdict.isProved, "\(verdict.faults)")
      }
    }
  }

  @Test func `a folder with anything else in it is never touched`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(20)
      let foreign = folder.path + "/foreign"
      try TestFiles.makeFolder(foreign)
      try write(Array("mine".utf8), to: foreign + "/events.jsonl")
      await #expect(throws: EvidenceError.self) { try await log.bundle(into: foreign) }
      #expect(try bytes(foreign + "/events.jsonl") == Array("mine".utf8))
      #expect(try FileManager.default.contentsOfDirectory(atPath: foreign) == ["events.jsonl"])
      let done = folder.path + "/done"
      try await log.bundle(into: done)
      await #expect(throws: EvidenceError.self) { try await log.bundle(into: done) }
      #expect(try Verifiers.swift(done, key: log.signer.verifier).isProved)
      let begun = folder.path + "/begun"
      let exports = FakeLog.Exports()
      exports.failsAfter = 3
      await #expect(throws: HarnessError.self) { try await log.bundle(into: begun, exports: exports) }
      await #expect(throws: EvidenceError.self, "another question") {
        try await log.bundle(["from": 2], into: begun)
      }
    }
  }

  @Test func `what one call asks for is bounded, however long the log`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(9000)
      let exports = FakeLog.Exports()
      try await log.bundle(into: folder.path + "/bundle", exports: exports)
      #expect(exports.largestLimit == 500, "a page of headers, and of their records at most as many")
      #expect(exports.calls.count { $0 == "log.headers" } == 9000 / 40)
    }
  }

  @Test func `a server that leaves out a record of a header that it showed is noticed at once`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(60)
      let exports = FakeLog.Exports()
      exports.hides = 10
      let error = await #expect(throws: EvidenceError.self) {
        try await log.bundle(into: folder.path + "/bundle", exports: exports)
      }
      #expect(error?.code == .source && error?.description.contains("position") == true)
    }
  }
}
