import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// Backups that a server makes by the clock.
@Suite(.serialized) struct ScheduledBackupTests {
  @Test(.timeLimit(.minutes(3)))
  func `backups are made, verified, recorded and pruned, and one that fails is a warning with an exit code`()
    async throws
  {
    try await withDesk { desk in
      let folder = desk.folder + "/backups"
      // What a server that was killed has left.
      try TestFiles.makeFolder(folder + "/daybook-20200101T000000Z.unverified")
      // What isn't ours stays.
      try TestFiles.makeFolder(folder + "/daybook-mine")
      func backups() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
          .filter { $0.hasPrefix("daybook-2") }
      }
      try await desk.withServer(["--backup-every", "2s", "--backup-keep", "2", "--backup-folder", folder]) {
        _ = try await desk.makePipeline()
        // The newest one may be pruned while it is verified on a slow machine: then the next one is.
        let first = try await eventually("a backup that is whole", within: .seconds(90)) { () -> String? in
          guard let newest = backups().last(where: { !$0.hasSuffix(".unverified") }) else { return nil }
          let whole = try await desk.daybook("verify", "--backup", "\(folder)/\(newest)", "--json")
          if whole.status == .code(0) { return newest }
          #expect(!backups().contains(newest), "\(whole.errors)")
          return nil
        }
        _ = try await eventually("the first one is pruned, and two are there", within: .seconds(60)) {
          let all = backups()
          return !all.contains(first) && all.count { !$0.hasSuffix(".unverified") } == 2 ? true : nil
        }
        #expect(!backups().contains("daybook-20200101T000000Z.unverified"))
        #expect(FileManager.default.fileExists(atPath: folder + "/daybook-mine"))
        let well = try await desk.daybook("status", "--wait", "--json")
        #expect(well.status == .code(0), "\(well.output)")
        let last = try well.json()["last_backup"]
        #expect(last?["age_seconds"]?.integerValue.map { $0 < 60 } == true, "\(well.output)")
        #expect(try well.json()["backups"]?["every_seconds"] == 2)
        let events =
          try await desk.call(
            "audit.search", ["event": "installation.backed_up", "timeout_ms": 30_000])["items"]?.arrayValue ?? []
        #expect(events.count >= 2)
        // The folder's place is taken by a file: no backup can be made.
        try FileManager.default.moveItem(atPath: folder, toPath: folder + "-away")
        try TestFiles.write("no folder".utf8, to: folder)
        let failing = try await eventually("the status says so", within: .seconds(60)) {
          let status = try await desk.daybook("status")
          return status.output.contains("backup: Can't") ? status : nil
        }
        #expect(failing.status == .code(69) && failing.output.contains("not well"), "\(failing.output)")
        try FileManager.default.removeItem(atPath: folder)
        try FileManager.default.moveItem(atPath: folder + "-away", toPath: folder)
        _ = try await eventually("they are made again", within: .seconds(60)) {
          try await desk.daybook("status").status == .code(0) ? true : nil
        }
      }
      let newest = try #require(backups().last { !$0.hasSuffix(".unverified") })
      #expect(try await desk.daybook("verify", "--backup", "\(folder)/\(newest)").status == .code(0))
    }
  }

  @Test func `a schedule needs a folder, and a time that is understood`() async throws {
    try await withDesk { desk in
      let without = try await desk.daybook("serve", "--backup-every", "24h")
      #expect(without.status == .code(64) && without.errors.contains("--backup-folder"), "\(without.errors)")
      let never = try await desk.daybook("serve", "--backup-folder", "b", "--backup-every", "often")
      #expect(never.status == .code(64) && never.errors.contains("often"), "\(never.errors)")
    }
  }
}
