import CanonicalJSON
import DaybookClient
import Foundation
import TestBasics
import Testing

extension Acceptance {
  @Suite struct DamageTests {
    /// A data folder that was filled, left in order, and is never written to again; each trial gets a copy.
    private struct Specimen: Sendable {
      let server: DaybookProcess
      let file: [UInt8]

      /// A fresh data folder with another `data.mdb`, and what `daybook verify` says of it.
      func verify(_ damaged: [UInt8], head: [UInt8]? = nil) async throws -> (ProgramResult, JSON) {
        let copy = server.folder.path + "/copy"
        let made = try await runProgram(
          [
            "sh", "-c",
            "rm -rf \"$1\" && mkdir -p \"$1/log\" && cp -r \"$0/vault\" \"$0\"/head* \"$1/\" && cp \"$0.root-key\" \"$1.root-key\"",
            server.data, copy,
          ],
          in: server.folder)
        try #require(made.status == .code(0), "\(made.errors)")
        try TestFiles.write(damaged, to: copy + "/log/data.mdb")
        if let head { try TestFiles.write(head, to: copy + "/head") }
        let result = try await server.run(
          ["verify", "--data", copy, "--json", "--patience", "15"], within: .seconds(40))
        return (result, try result.json())
      }
    }

    private func withSpecimen(_ body: (Specimen) async throws -> Void) async throws {
      try await withServer { server in
        let client = try await server.client()
        let tenant = try await Tenant.make(client, "damage")
        for index in 0..<60 {
          let pipeline = try await client.created(
            "pipeline",
            [
              "organization_id": .string(tenant.organization), "name": .string("p\(index)"),
              "command_id": .string("c\(index)"),
              "config": ["text": .string(String(repeating: "x", count: index % 10 == 0 ? 6000 : 40))],
            ])
          _ = try await client.call(
            "pipeline.edit",
            [
              "id": .string(pipeline), "description": .string("d\(index)"), "about": [.string(tenant.user)],
              "reason": "r",
            ])
          _ = try await client.call("run.start", ["pipeline_id": .string(pipeline)])
        }
        try await client.close()
        #expect(try await server.terminate() == .code(0))
        let specimen = Specimen(server: server, file: try TestFiles.bytes(server.data + "/log/data.mdb"))
        let (result, report) = try await specimen.verify(specimen.file)
        try #require(result.status == .code(0) && report["healthy"] == true, "the undamaged copy is whole: \(result)")
        try await body(specimen)
      }
    }

    @Test(.seeded, .timeLimit(.minutes(isThorough ? 30 : 3)))
    func `random damage never passes as healthy where anything stored reads differently, and always gets a report`()
      async throws
    {
      let trials = isThorough ? 400 : 30
      try await withSpecimen { specimen in
        let whole = try LMDBFile(specimen.file)
        let original = try whole.databases()
        #expect(
          Set(original.keys).isSuperset(of: [
            "headers", "bodies", "history", "states", "unique", "links", "tree", "commands", "meta",
          ]))
        var chance = try Seeded()
        var found = 0
        for trial in 0..<trials {
          var damaged = specimen.file
          let size = trial % 3 == 0 ? Int.random(in: 1...4, using: &chance) : Int.random(in: 1...4096, using: &chance)
          // Every fifth hits the two meta pages.
          let area = trial % 5 == 4 ? 2 * LMDBFile.pageSize : min(damaged.count, whole.pages * LMDBFile.pageSize)
          let start = Int.random(in: 0..<(area - min(size, area - 1)), using: &chance)
          let isZeroed = trial % 7 == 6
          for index in start..<(start + size) {
            damaged[index] = isZeroed ? 0 : UInt8.random(in: 0...255, using: &chance)
          }
          let place: Comment =
            "trial \(trial): \(size) bytes at \(start) (page \(start / LMDBFile.pageSize))"
          let (result, report) = try await specimen.verify(damaged)
          guard result.status == .code(0) else {
            found += 1
            #expect(result.status == .code(2), "\(place): \(result.status) \(result.errors)")
            #expect(report["healthy"] == false && report["problems"]?.arrayValue?.isEmpty == false, place)
            continue
          }
          #expect(report["healthy"] == true, place)
          do {
            let now = try LMDBFile(damaged).databases()
            for (name, entries) in original where now[name] != entries {
              Issue.record("\(place): verify says healthy, but \(name) reads differently")
            }
          } catch {
            Issue.record("\(place): verify says healthy, but \(error)")
          }
        }
        #expect(found > trials / 5, "\(found) of \(trials) were found; the damage must hit something")
      }
    }

    @Test(.seeded, .timeLimit(.minutes(3)))
    func `a cut file, an empty one and a stranger's never pass as healthy but where only unused pages are missing`()
      async throws
    {
      try await withSpecimen { specimen in
        var chance = try Seeded()
        let original = try LMDBFile(specimen.file).databases()
        let used = min(specimen.file.count, try LMDBFile(specimen.file).pages * LMDBFile.pageSize)
        var lengths = [0, 1, 100, 4096, 8192, used - 4096, used - 1]
        for _ in 0..<(isThorough ? 60 : 5) { lengths.append(Int.random(in: 0..<used, using: &chance)) }
        for length in lengths {
          let cut = Array(specimen.file[..<length])
          let (result, report) = try await specimen.verify(cut)
          // Whole pages at the end that hold nothing may never have been written: LMDB doesn't write what a commit
          // takes and gives back.
          if length % LMDBFile.pageSize == 0, let left = try? LMDBFile(cut).databases(), left == original {
            #expect(result.status == .code(0) || result.status == .code(2), "cut to \(length): \(result)")
            continue
          }
          #expect(result.status == .code(2) && report["healthy"] == false, "cut to \(length): \(result)")
        }
        let (result, _) = try await specimen.verify([UInt8](repeating: 0x41, count: used))
        #expect(result.status == .code(2), "\(result)")
      }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a changed header, body or tree node and a removed tail are found, and the position is named`() async throws {
      try await withSpecimen { specimen in
        let databases = try LMDBFile(specimen.file).databases()
        for (name, index) in [("headers", 4), ("bodies", 9), ("headers", 100), ("bodies", 120), ("bodies", 0)] {
          let entry = try #require(databases[name])[index]
          var damaged = specimen.file
          // One bit of a letter in the middle of the line.
          damaged[entry.offset + entry.value.count / 2] ^= 0x01
          let (result, report) = try await specimen.verify(damaged)
          let positions = report["problems"]?.arrayValue?.compactMap { $0["position"]?.integerValue } ?? []
          #expect(
            result.status == .code(2) && positions.contains(Int64(index) + 1),
            "\(name) \(index + 1): \(report.canonicalString.prefix(600))")
        }
        // Each stored tile, in its first hash, one in the middle and the last.
        let tiles = try #require(databases["tree"])
        #expect(!tiles.isEmpty)
        for tile in tiles {
          for hash in Set([0, tile.value.count / 64, tile.value.count / 32 - 1]).sorted() {
            var damaged = specimen.file
            damaged[tile.offset + hash * 32 + 5] ^= 0x10
            let (result, report) = try await specimen.verify(damaged)
            let positions = report["problems"]?.arrayValue?.compactMap { $0["position"]?.integerValue } ?? []
            #expect(
              result.status == .code(2) && !positions.isEmpty,
              "tile \(tile.key), hash \(hash): \(report.canonicalString.prefix(600))")
          }
        }
        for name in ["states", "unique", "links", "history", "commands", "subjects"] {
          guard let entry = databases[name]?.dropFirst(2).first else {
            Issue.record("nothing in \(name)")
            continue
          }
          var damaged = specimen.file
          damaged[entry.offset + entry.value.count / 3] ^= 0x02
          let (result, report) = try await specimen.verify(damaged)
          #expect(result.status == .code(2), "\(name): \(report.canonicalString.prefix(600))")
        }
      }
      // A removed tail: an older log under a newer head.
      try await withServer { server in
        let client = try await server.client()
        _ = try await client.organization("tail")
        #expect(try await server.terminate() == .code(0))
        let old = try TestFiles.bytes(server.data + "/log/data.mdb")
        try await server.start()
        for _ in 0..<5 { _ = try await server.client().organization("later") }
        // The stop is an event, too.
        let head = try await server.client().head() + 1
        #expect(try await server.terminate() == .code(0))
        let (result, report) = try await Specimen(server: server, file: old).verify(old)
        #expect(result.status == .code(2) && report.canonicalString.contains("\(head)"), "\(report.canonicalString)")
        // And the server itself doesn't go on with it as if nothing had been there.
        try TestFiles.write(old, to: server.data + "/log/data.mdb")
        for removed in [[], ["head", "head-2"]] {
          // The vault has a statement, too.
          for name in removed { unlink("\(server.data)/\(name)") }
          let started = try await runProgram(
            [try Programs.built("daybook"), "serve", "--data", server.data, "--listen", "none"], in: server.folder,
            within: .seconds(20))
          #expect(started.status == .code(2) && started.output.isEmpty, "\(started)")
          #expect(started.errors.contains("signed for position \(head)"), "\(started)")
        }
      }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a hot backup is whole, holds no keys, and restores to the same log`() async throws {
      try await withServer { server in
        let client = try await server.client()
        let organization = try await client.organization("backup")
        let ledger = Ledger()
        let load = Load(on: server, organization: organization, ledger: ledger, connections: 2, window: 4)
        try await load.acknowledged(atLeast: 40)
        let backup = server.folder.path + "/backup"
        let keys = server.folder.path + "/keys"
        let made = try await server.run(["backup", backup, "--keys", keys, "--json"])
        #expect(made.status == .code(0), "\(made.errors)")
        let position = try #require(try made.json()["position"]?.integerValue)
        try await load.stop()
        #expect(try await server.run(["verify", "--backup", backup, "--json"]).status == .code(0))
        let names = FileManager.default.enumerator(atPath: backup)?.compactMap { $0 as? String } ?? []
        #expect(!names.isEmpty && !names.contains { $0.contains("vault") || $0.contains("key") }, "\(names)")
        #expect(try await server.terminate() == .code(0))
        let restored = DaybookProcess(folder: server.folder, dataFolder: server.folder.path + "/restored")
        let done = try await server.run(
          [
            "restore", backup, "--data", restored.data, "--keys", keys, "--root-key-file", server.data + ".root-key",
            "--json",
          ])
        #expect(done.status == .code(0), "\(done.output) \(done.errors)")
        try await restored.start(["--root-key-file", server.data + ".root-key"])
        let other = try await restored.client()
        let records = try await other.records()
        #expect(records.compactMap(\.position).starts(with: Array(1...position)))
        let found = try await other.call("organization.get", ["id": .string(organization)])
        #expect(found["item"]?["id"]?.stringValue == organization)
        #expect(try await restored.terminate() == .code(0))
      }
    }
  }
}
