import BasicTypes
import CanonicalJSON
import Crypto
import Evidence
import Foundation
import MerkleTree
import TestBasics
import Testing

@Suite struct BundleTests {
  private static let organization: JSONObject = ["organization_id": .string(FakeLog.acme.text)]

  @Test func `a bundle of a filtered export is proved complete by both verifiers`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(200)
      let filters: [JSONObject] = [
        [:], Self.organization, ["resource_types": ["pipeline"], "from": 3, "to": 120],
        ["events": ["run.*", "pipeline.created"], "resource_types": ["pipeline"]],
        ["resource_ids": [.string(FakeLog.identifier(4, kind: 5).text)], "actor": "local:0", "from": 200],
        ["organization_id": .string(FakeLog.acme.text), "withhold_others": true, "from": 17, "to": 93],
      ]
      for (index, filter) in filters.enumerated() {
        let path = "\(folder.path)/\(index)"
        let result = try await log.bundle(filter, into: path)
        for verdict in try await Verifiers.both(path, key: log.signer.verifier, in: folder) {
          #expect(verdict.isProved, "\(filter): \(verdict.faults)")
          #expect(verdict.proved.count == 6, "\(verdict.proved)")
        }
        let wanted = log.records[Int(result.terms.first - 1)..<Int(result.terms.last)].filter {
          result.terms.filter.accepts($0.parsed)
        }
        let records = try lines(path + "/events.jsonl")
        #expect(records.count == wanted.count && result.terms.events == UInt64(wanted.count))
        #expect(try lines(path + "/headers.jsonl").count == Int(result.terms.last - result.terms.first + 1))
        for (line, record) in zip(records, wanted) {
          #expect(Array(line.utf8) == EvidenceRecord.line(body: record.body, header: record.header))
        }
      }
    }
  }

  @Test func `one changed byte of any file is found by both verifiers, which name the file`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(60)
      let path = folder.path + "/bundle"
      try await log.bundle(Self.organization, into: path, mappings: BundleRequest.Mapping.allCases)
      let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
      #expect(names.count >= 12, "\(names)")
      let changed = folder.path + "/changed"
      for name in names {
        let whole = try bytes("\(path)/\(name)")
        // The program's verifier at many places, the one in Python, which is a process each, at three.
        let places = Set([0, whole.count / 2, whole.count - 1])
        let more = Set(stride(from: 0, to: whole.count, by: max(1, whole.count / 40)))
        for place in places.union(more) {
          try copy(path, to: changed)
          var other = whole
          other[place] ^= 1
          try write(other, to: "\(changed)/\(name)")
          let key = log.signer.verifier
          let verdicts =
            places.contains(place)
            ? [
              try Verifiers.swift(changed, key: key), try await Verifiers.python(changed, key: key, in: folder),
            ] : [try Verifiers.swift(changed, key: key)]
          for verdict in verdicts {
            #expect(!verdict.isProved && verdict.files.contains(name), "\(name) at \(place): \(verdict)")
          }
        }
      }
    }
  }

  @Test func `a record that was removed, added, moved or edited is named with its line and position`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(60)
      let path = folder.path + "/bundle"
      try await log.bundle(Self.organization, into: path)
      let records = try lines(path + "/events.jsonl")
      func position(_ line: String) throws -> Int64 {
        try #require(try JSON.parse(line)["header"]?["position"]?.integerValue)
      }
      let foreign = try #require(log.records.first { $0.parsed.organization == FakeLog.other })
      let foreignLine = String(
        decoding: EvidenceRecord.line(body: foreign.body, header: foreign.header), as: UTF8.self)
      var removed = records
      removed.remove(at: 5)
      var added = records
      added.insert(foreignLine, at: 2)
      var twice = records
      twice.insert(records[4], at: 4)
      var edited = records
      edited[7] = records[7].replacingOccurrences(of: "\"ratio\":1.5e-7", with: "\"ratio\":1.6e-7")
      var reformatted = records
      reformatted[7] = records[7].replacingOccurrences(of: "\"ratio\":1.5e-7", with: "\"ratio\":0.15e-6")
      let cases: [(name: String, lines: [String], position: Int64)] = [
        ("removed", removed, try position(records[5])), ("added", added, Int64(foreign.parsed.position)),
        ("twice", twice, try position(records[4])), ("edited", edited, try position(records[7])),
        ("reformatted", reformatted, try position(records[7])),
        ("last removed", Array(records.dropLast()), try position(records[records.count - 1])),
      ]
      for one in cases {
        let changed = folder.path + "/changed"
        try copy(path, to: changed)
        try write(lines: one.lines, to: changed + "/events.jsonl")
        // Even whoever edits the manifest too is found.
        try listAnew("events.jsonl", in: changed)
        for verdict in try await Verifiers.both(changed, key: log.signer.verifier, in: folder) {
          #expect(!verdict.isProved, "\(one.name)")
          #expect(verdict.positions(in: "events.jsonl").contains(one.position), "\(one.name): \(verdict.faults)")
          #expect(verdict.files.contains("manifest.json"), "\(one.name): \(verdict.faults)")
        }
      }
    }
  }

  @Test func `a dropped body counts where the event that dropped it is proved, and nowhere else`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(90, dropped: [4, 8, 17], by: 40)
      // The event lies in the range, and behind it.
      let filters: [JSONObject] = [[:], ["from": 2, "to": 20], Self.organization]
      for (index, filter) in filters.enumerated() {
        let path = "\(folder.path)/\(index)"
        try await log.bundle(filter, into: path)
        #expect(try lines(path + "/drops.jsonl").count == 1)
        for verdict in try await Verifiers.both(path, key: log.signer.verifier, in: folder) {
          #expect(verdict.isProved, "\(filter): \(verdict.faults)")
          #expect(verdict.proved.contains { $0.contains("dropped from the log by the events at the positions 40") })
          #expect(!verdict.proved.contains { $0.hasPrefix("Each of the") && $0.contains("records has the body") })
          #expect(verdict.notProved.contains { $0.contains("3 dropped bodies") })
        }
      }
      let path = folder.path + "/1"
      let records = try lines(path + "/events.jsonl")
      func changed(_ position: Int, _ old: String, _ new: String) -> [String] {
        records.map { line in
          line.contains("\"position\":\(position),") ? line.replacingOccurrences(of: old, with: new) : line
        }
      }
      let body = String(decoding: log.records[4].body, as: UTF8.self)
      let cases: [(name: String, lines: [String], drops: [String]?, position: Int64)] = [
        ("another replacement", changed(8, "1.5e-7", "1.6e-7"), nil, 8),
        (
          "a body that no event dropped",
          changed(5, body, String(decoding: FakeLog.replacement(by: 40), as: UTF8.self)), nil, 5
        ),
        ("by an event before it", changed(8, "\"$dropped\":40", "\"$dropped\":3"), nil, 8),
        ("without the event", records, [], 4),
        (
          "another event in its place", records,
          try lines(path + "/drops.jsonl").map {
            $0.replacingOccurrences(of: "\"position\":17}", with: "\"position\":18}")
          }, 17
        ),
      ]
      for one in cases {
        let forged = folder.path + "/forged"
        try copy(path, to: forged)
        try write(lines: one.lines, to: forged + "/events.jsonl")
        try listAnew("events.jsonl", in: forged)
        if let drops = one.drops {
          try write(lines: drops, to: forged + "/drops.jsonl")
          try listAnew("drops.jsonl", in: forged)
        }
        for verdict in try await Verifiers.both(forged, key: log.signer.verifier, in: folder) {
          #expect(verdict.positions(in: "events.jsonl").contains(one.position), "\(one.name): \(verdict.faults)")
        }
      }
    }
  }

  @Test func `an edited manifest, another key and foreign files are found`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(60)
      let path = folder.path + "/bundle"
      try await log.bundle(Self.organization, into: path)
      let changed = folder.path + "/changed"
      let edits: [(String, String)] = [
        (#""purpose":"a test""#, #""purpose":"a jest""#), (#""first":1,"#, #""first":2,"#),
        (#""actor":"local:0""#, #""actor":"local:1""#), (FakeLog.acme.text, FakeLog.other.text),
      ]
      for (from, to) in edits {
        try copy(path, to: changed)
        let text = String(decoding: try bytes(path + "/manifest.json"), as: UTF8.self)
        let edited = text.replacingOccurrences(of: from, with: to)
        #expect(edited != text, "\(from)")
        try write(Array(edited.utf8), to: changed + "/manifest.json")
        for verdict in try await Verifiers.both(changed, key: log.signer.verifier, in: folder) {
          #expect(!verdict.isProved && verdict.files.contains("manifest.json"), "\(from): \(verdict)")
        }
      }
      try copy(path, to: changed)
      try write(Array("hello".utf8), to: changed + "/readme.txt")
      for verdict in try await Verifiers.both(changed, key: log.signer.verifier, in: folder) {
        #expect(verdict.files == ["readme.txt"])
      }
      let stranger = try NoteVerifier(name: log.signer.verifier.name, publicKey: [UInt8](repeating: 9, count: 32))
      for verdict in try await Verifiers.both(path, key: stranger, in: folder) {
        #expect(verdict.files == ["verifier.key", "manifest.note", "checkpoint.note"])
      }
      for verdict in try await Verifiers.both(path, key: nil, in: folder) {
        #expect(verdict.isProved && verdict.notProved.contains { $0.contains("it came with the bundle") })
      }
    }
  }

  @Test func `a log that was cut or forked fails against an older checkpoint, and an honest one is proved`()
    async throws
  {
    try await withBundles { folder in
      let honest = try FakeLog(60)
      let key = honest.signer.verifier
      let older = folder.path + "/older.note"
      try write(try honest.checkpoint(41), to: older)
      let newer = folder.path + "/newer.note"
      try write(try honest.checkpoint(60), to: newer)
      // The range gives the root of 41, or a consistency proof does.
      for (index, range) in [[:], ["from": 42], ["from": 20, "to": 41]].enumerated() as EnumeratedSequence<[JSONObject]>
      {
        let path = "\(folder.path)/honest-\(index)"
        try await honest.bundle(range, into: path)
        for verdict in try await Verifiers.both(path, key: key, kept: [older, newer], in: folder) {
          #expect(verdict.isProved, "\(range): \(verdict.faults)")
          #expect(verdict.proved.count { $0.contains("neither cut nor forked") } == 2)
        }
      }
      let narrow = folder.path + "/narrow"
      try await honest.bundle(["from": 50], into: narrow)
      for verdict in try await Verifiers.both(narrow, key: key, kept: [older], in: folder) {
        #expect(verdict.files == [older], "the bundle says nothing of it")
      }
      let with = folder.path + "/with"
      try await honest.bundle(["from": 50], into: with, earlierSizes: [41])
      for verdict in try await Verifiers.both(with, key: key, kept: [older], in: folder) {
        #expect(verdict.isProved, "\(verdict.faults)")
      }
      let forked = try FakeLog(60, fork: 30)
      let cut = try FakeLog(40)
      for (name, log, sizes) in [("forked", forked, [UInt64(41)]), ("forked-late", forked, []), ("cut", cut, [])] {
        let path = "\(folder.path)/\(name)"
        let range: JSONObject = name == "forked" ? ["from": 50] : [:]
        try await log.bundle(range, into: path, earlierSizes: sizes)
        #expect(try Verifiers.swift(path, key: key).isProved, "by itself it is whole")
        for verdict in try await Verifiers.both(path, key: key, kept: [older], in: folder) {
          #expect(verdict.files == [older], "\(name): \(verdict)")
        }
      }
    }
  }

  @Test func `a witness whose key is given is believed where its signature is right, and nobody else`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(20)
      let exports = FakeLog.Exports()
      let witness = try NoteSigner(
        name: "witness.example", key: Curve25519.Signing.PrivateKey(), algorithm: .cosignature)
      exports.witness = witness
      let path = folder.path + "/bundle"
      try await log.bundle(into: path, exports: exports)
      let key = log.signer.verifier
      let seen = "The witness witness.example has seen that tree, at 2027-01-15T08:00:00.000000Z."
      for verdict in try await Verifiers.both(path, key: key, witnesses: [witness.verifier], in: folder) {
        #expect(verdict.isProved && verdict.proved.contains(seen), "\(verdict)")
      }
      for verdict in try await Verifiers.both(path, key: key, in: folder) {
        #expect(verdict.isProved && !verdict.proved.contains(seen), "\(verdict)")
        #expect(verdict.notProved.contains { $0.hasPrefix("The signature of witness.example") }, "\(verdict)")
      }
      let note = try SignedNote(parsing: bytes(path + "/checkpoint.note"))
      var forged = note
      forged.signatures[1].signature[20] ^= 1
      try write(Array(forged.serialized.utf8), to: path + "/checkpoint.note")
      for verdict in try await Verifiers.both(path, key: key, witnesses: [witness.verifier], in: folder) {
        let said = verdict.faults.compactMap { $0["what"]?.stringValue }
        #expect(said.contains("bears a signature of witness.example that is wrong"), "\(said)")
      }
    }
  }

  @Test func `a witness who was asked for and hasn't cosigned is missed`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(20)
      func witness(_ name: String) throws -> NoteSigner {
        try NoteSigner(name: name, key: Curve25519.Signing.PrivateKey(), algorithm: .cosignature)
      }
      let (absent, stranger) = (try witness("absent.example"), try witness("stranger.example"))
      for exports in [
        FakeLog.Exports(),
        {
          $0.witness = stranger
          return $0
        }(FakeLog.Exports()),
      ] {
        let path = "\(folder.path)/bundle-\(exports.witness == nil)"
        try await log.bundle(into: path, exports: exports)
        for verdict in try await Verifiers.both(
          path, key: log.signer.verifier, witnesses: [absent.verifier], in: folder)
        {
          let said = verdict.faults.compactMap { $0["what"]?.stringValue }
          #expect(said == ["bears no cosignature of absent.example, whose key was given"], "\(said)")
        }
      }
    }
  }

  @Test func `a policy says which log and which witnesses count, and both verifiers keep to it`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(20)
      let exports = FakeLog.Exports()
      func witness(_ name: String) throws -> NoteSigner {
        try NoteSigner(name: name, key: Curve25519.Signing.PrivateKey(), algorithm: .cosignature)
      }
      let (seen, absent) = (try witness("seen.example"), try witness("absent.example"))
      exports.witness = seen
      let path = folder.path + "/bundle"
      try await log.bundle(into: path, exports: exports)
      let other = try NoteSigner(name: log.signer.verifier.name, key: Curve25519.Signing.PrivateKey())
      func policy(_ keys: [NoteVerifier], takes: Int?) throws -> TrustPolicy {
        let both = [seen, absent].map { TrustPolicy.Witness($0.verifier) }
        let name = Array("both".utf8)
        guard let takes else { return try TrustPolicy(logs: keys.map { TrustPolicy.Log($0) }, witnesses: both) }
        return try TrustPolicy(
          logs: keys.map { TrustPolicy.Log($0) }, witnesses: both,
          groups: [TrustPolicy.Group(name: name, threshold: takes, members: both.map(\.name))], quorum: name)
      }
      let own = log.signer.verifier
      let met = "The policy is met: the quorum of witnesses that it asks for has seen that tree."
      let either = try policy([other.verifier, own], takes: 1)
      for verdict in try await Verifiers.both(path, key: nil, policy: either, in: folder) {
        #expect(verdict.isProved && verdict.proved.contains(met), "\(verdict)")
        // The key is trusted by the policy, so nothing is left to compare.
        #expect(!verdict.notProved.contains { $0.hasPrefix("That the key is that of the log you mean") }, "\(verdict)")
      }
      for verdict in try await Verifiers.both(path, key: nil, policy: policy([own], takes: nil), in: folder) {
        #expect(verdict.isProved && !verdict.proved.contains(met), "\(verdict)")
      }
      for verdict in try await Verifiers.both(path, key: nil, policy: policy([own], takes: 2), in: folder) {
        let said = verdict.faults.compactMap { $0["what"]?.stringValue }
        #expect(
          said == ["doesn't meet the policy: the quorum both takes 2 of seen.example, absent.example, and has 1"],
          "\(said)")
      }
      let foreign = try policy([other.verifier], takes: 1)
      for verdict in try await Verifiers.both(path, key: nil, policy: foreign, in: folder) {
        #expect(verdict.files == ["verifier.key"], "\(verdict)")
      }
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func `a file that lies elsewhere, and a pipe, are none of the bundle's`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(20)
      let path = folder.path + "/bundle"
      try await log.bundle(into: path)
      for name in ["headers.jsonl", "events.jsonl", "proofs.json", "checkpoint.note", "manifest.json"] {
        for isPipe in [false, true] {
          let changed = folder.path + "/changed"
          try copy(path, to: changed)
          try FileManager.default.removeItem(atPath: "\(changed)/\(name)")
          if isPipe {
            try #require(mkfifo("\(changed)/\(name)", 0o600) == 0)
          } else {
            try FileManager.default.createSymbolicLink(
              atPath: "\(changed)/\(name)", withDestinationPath: "\(path)/\(name)")
          }
          for verdict in try await Verifiers.both(changed, key: log.signer.verifier, in: folder) {
            #expect(!verdict.isProved && verdict.files.contains(name), "\(name): \(verdict)")
          }
        }
      }
    }
  }

  @Test func `a bundle for one tenant shows nothing of another`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(200, secret: "the other's secret")
      let path = folder.path + "/bundle"
      try await log.bundle(
        Self.organization.merging(["withhold_others": true]), into: path, mappings: BundleRequest.Mapping.allCases)
      let hidden = log.records.filter { $0.parsed.organization != FakeLog.acme }
      #expect(hidden.count > 60)
      for name in try FileManager.default.contentsOfDirectory(atPath: path) {
        let text = String(decoding: try bytes("\(path)/\(name)"), as: UTF8.self)
        for needle in ["the other's secret", FakeLog.other.text] + hidden.map(\.parsed.id.text) {
          #expect(!text.contains(needle), "\(name) has \(needle)")
        }
      }
      for verdict in try await Verifiers.both(path, key: log.signer.verifier, in: folder) {
        #expect(verdict.isProved, "\(verdict.faults)")
        #expect(verdict.notProved.contains { $0.contains("shown as a hash alone") })
        #expect(!verdict.proved.contains { $0.contains("holds all events") })
      }
      // Who hides one more, which the log didn't withhold, is found.
      var headers = try lines(path + "/headers.jsonl")
      let own = try #require(log.records.first { $0.parsed.organization == FakeLog.acme })
      let index = Int(own.parsed.position) - 1
      headers[index] =
        JSONObject(
          dictionaryLiteral: ("leaf", .string(RFC6962.leafHash(own.header).base64)),
          ("position", .integer(Int64(index + 1)))
        ).canonicalString
      try write(lines: headers, to: path + "/headers.jsonl")
      var records = try lines(path + "/events.jsonl")
      records.removeFirst()
      try write(lines: records, to: path + "/events.jsonl")
      for verdict in try await Verifiers.both(path, key: log.signer.verifier, in: folder) {
        let said = verdict.faults.compactMap { $0["what"]?.stringValue }
        #expect(said.contains { $0.hasPrefix("withholds ") }, "\(said)")
        #expect(said.contains { $0.contains("the log counted") }, "\(said)")
      }
    }
  }
}

/// Lets the manifest list a file as it is now, as whoever changes a file would.
private func listAnew(_ name: String, in folder: String) throws {
  let found = try FileDigest.of("\(folder)/\(name)")
  var manifest = try BundleManifest(bytes: bytes(folder + "/manifest.json"))
  for index in manifest.files.indices where manifest.files[index].name == name {
    manifest.files[index].bytes = found.bytes
    manifest.files[index].digest = found.digest
  }
  try write(manifest.bytes, to: folder + "/manifest.json")
}
