import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// Removing a data folder with all that belongs to it.
@Suite(.serialized) struct DestroyTests {
  @Test(.timeLimit(.minutes(3)))
  func `a data folder goes with its PostgreSQL, wherever that lies, and never while something runs`() async throws {
    try await withDesk { desk in
      // Where PostgreSQL's user can't enter, its cluster lies elsewhere.
      let isRoot = geteuid() == 0
      if isRoot { chmod(desk.folder, 0o700) }
      let server = DaybookProcess(folder: desk.directory, listen: "none")
      try await server.start()
      #expect(try await desk.daybook("status", "--wait").status == .code(0))
      let home = server.postgresHome
      #expect(home.hasPrefix("/var/lib/daybook/") == isRoot, "\(home)")
      let running = try await desk.daybook("destroy", "--yes")
      #expect(running.status == .code(69) && running.errors.contains("A server has this folder"), "\(running.errors)")
      try await server.kill()
      let orphan = try await desk.daybook("destroy", "--yes")
      #expect(orphan.status == .code(69) && orphan.errors.contains("PostgreSQL"), "\(orphan.errors)")
      try await server.start()
      #expect(try await desk.daybook("status", "--wait").status == .code(0))
      #expect(try await server.terminate() == .code(0))
      try TestFiles.write("mine".utf8, to: desk.data + "/notes.txt")
      let foreign = try await desk.daybook("destroy", "--yes")
      #expect(foreign.status == .code(1) && foreign.errors.contains("notes.txt"), "\(foreign.errors)")
      try FileManager.default.removeItem(atPath: desk.data + "/notes.txt")
      let unasked = try await desk.daybook("destroy")
      #expect(unasked.status == .code(1) && unasked.errors.contains("Nothing was removed."), "\(unasked.errors)")
      #expect(unasked.errors.contains(home) && unasked.errors.contains(desk.data))
      #expect(FileManager.default.fileExists(atPath: desk.data) && FileManager.default.fileExists(atPath: home))
      let done = try await desk.daybook("destroy", "--yes", "--json")
      #expect(done.status == .code(0), "\(done.errors)")
      #expect(!FileManager.default.fileExists(atPath: desk.data) && !FileManager.default.fileExists(atPath: home))
      #expect(FileManager.default.fileExists(atPath: desk.data + ".root-key"), "backups open with nothing else")
      let again = try await desk.daybook("destroy", "--yes")
      #expect(again.status == .code(64) && again.errors.contains("There is no data folder"), "\(again.errors)")
    }
  }

  @Test(.enabled(if: geteuid() == 0, "only root's clusters lie elsewhere"))
  func `a cluster whose data folder is gone is found by the folder's name`()
    async throws
  {
    try await withDesk { desk in
      chmod(desk.folder, 0o700)
      let server = DaybookProcess(folder: desk.directory, listen: "none")
      try await server.start()
      #expect(try await desk.daybook("status", "--wait").status == .code(0))
      let home = server.postgresHome
      #expect(try await server.terminate() == .code(0))
      try FileManager.default.removeItem(atPath: desk.data)
      #expect(FileManager.default.fileExists(atPath: home))
      let done = try await desk.daybook("destroy", "--root-key", "--yes")
      #expect(done.status == .code(0), "\(done.errors)")
      #expect(!FileManager.default.fileExists(atPath: home))
      #expect(!FileManager.default.fileExists(atPath: desk.data + ".root-key"))
    }
  }
}
