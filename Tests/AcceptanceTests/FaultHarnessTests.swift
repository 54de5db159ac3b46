import Foundation
import TestBasics
import Testing

/// The harnesses in ../shared/tools/faults.
private enum SharedHarness {
  /// Their folder; nil where they, or what they take, are absent.
  static let place: String? = {
    guard let data = Repository.sharedData else { return nil }
    let folder = URL(fileURLWithPath: data).deletingLastPathComponent().path + "/tools/faults"
    let isThere = FileManager.default.fileExists(atPath: folder + "/power_loss.py")
    return isThere && Validators.have("multiprocessing", in: "python3") && hasCompiler ? folder : nil
  }()

  private static var hasCompiler: Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
      FileManager.default.isExecutableFile(atPath: $0 + "/clang")
    }
  }
}

extension Acceptance {
  /// Power cuts and failing system calls, by the harnesses in ../shared/tools/faults: a program in between records or
  /// disturbs what the server asks of the system. Every run takes a sample, `DAYBOOK_THOROUGH=1` all of it.
  @Suite(
    .enabled(if: SharedHarness.place != nil, "needs ../shared/tools/faults, clang and python3, one of which is absent"))
  struct FaultHarnessTests {
    /// A copy of the harness with its C libraries built, since they lie beside the scripts.
    private struct Copy {
      let folder: TemporaryFolder
      let place: String

      init() async throws {
        folder = try TemporaryFolder()
        place = folder.path + "/faults"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let source = try #require(SharedHarness.place)
        for name in try FileManager.default.contentsOfDirectory(atPath: source) {
          guard name.hasSuffix(".py") || name.hasSuffix(".c") else { continue }
          try TestFiles.write(TestFiles.bytes("\(source)/\(name)"), to: "\(place)/\(name)")
          guard name.hasSuffix(".c") else { continue }
          let library = "\(place)/\(name.dropLast(2)).so"
          let built = try await runProgram(
            ["clang", "-O2", "-shared", "-fPIC", "-o", library, "\(place)/\(name)", "-ldl", "-lpthread"], in: folder)
          try #require(built.status == .code(0), "\(built.errors)")
        }
      }

      /// What a script prints.
      func run(_ arguments: [String]) async throws -> String {
        let driver = Repository.root + "/Tests/Python/fault_harness.py"
        let result = try await runProgram(
          ["python3", driver, place] + arguments, in: folder, directory: place,
          environment: ["DAYBOOK_HOME": Repository.root, "DAYBOOK_BINARY": try Programs.built("daybook")],
          within: isThorough ? .seconds(7200) : .seconds(120))
        try #require(result.status == .code(0), "\(arguments): \(result.errors)")
        return result.output
      }
    }

    /// Images of what a disk may hold after a cut.
    struct Cuts: Sendable {
      let script: String
      let count: Int
      let arguments: [String]

      static var all: [Cuts] {
        guard isThorough else {
          return [
            Cuts(script: "new", count: 8, arguments: ["--keep-head"]), Cuts(script: "new", count: 6, arguments: []),
          ]
        }
        return [
          Cuts(script: "old", count: 700, arguments: ["--keep-head", "--seed", "11"]),
          Cuts(script: "old", count: 200, arguments: ["--keep-head", "--seed", "12", "--focus", "vault"]),
          Cuts(script: "old", count: 400, arguments: ["--keep-head", "--seed", "16", "--focus", "log/"]),
          Cuts(script: "old", count: 200, arguments: ["--seed", "14"]),
          Cuts(script: "new", count: 300, arguments: ["--keep-head", "--seed", "13"]),
          Cuts(script: "new", count: 200, arguments: ["--seed", "15"]),
        ]
      }
    }

    @Test(.timeLimit(.minutes(isThorough ? 240 : 4)))
    func `a power cut at any moment leaves a log that is whole and has all that was acknowledged`() async throws {
      let copy = try await Copy()
      let base = copy.folder.path + "/base"
      if Cuts.all.contains(where: { $0.script == "old" }) { _ = try await copy.run(["fault_sweep", "prepare", base]) }
      var recorded: Set<String> = []
      for cuts in Cuts.all {
        let session = "\(copy.folder.path)/\(cuts.script)"
        if recorded.insert(cuts.script).inserted {
          let options = cuts.script == "old" ? ["--base", base] : []
          let told = try await copy.run(["power_loss", "record", session, cuts.script] + options)
          #expect(!told.contains(" 0 acknowledged"), "\(told)")
        }
        let told = try await copy.run(
          ["power_loss", "try", session, "--images", "\(cuts.count)", "--seconds", "7000", "--out", session + ".jsonl"]
            + cuts.arguments)
        #expect(told.contains("\n\(cuts.count) images, 0 with problems"), "\(cuts): \(told)")
      }
      try await copy.folder.destroy()
    }

    /// Calls of one kind, each of which fails or is the last that its process does.
    struct Sweep: Sendable {
      let script: String
      let arguments: [String]

      init(_ script: String, _ family: String, _ actions: String, _ more: String...) {
        self.script = script
        arguments = ["--family", family, "--actions", actions] + more
      }

      static var all: [Sweep] {
        guard isThorough else {
          return [
            Sweep("new", "write", "EIO,ENOSPC,SHORT,KILL,KILL_MID", "--step", "11"),
            Sweep("new", "sync", "EIO,EIO_AFTER,KILL", "--step", "7"),
          ]
        }
        return [
          Sweep("new", "write", "EIO,ENOSPC,SHORT,KILL,KILL_MID", "--all"),
          Sweep("new", "sync", "EIO,EIO_AFTER,KILL", "--all"), Sweep("new", "open", "EIO,KILL,KILL_AFTER", "--all"),
          Sweep("new", "rename", "EIO,KILL,KILL_AFTER", "--all"), Sweep("new", "mkdir", "EIO,KILL,KILL_AFTER", "--all"),
          Sweep("new", "truncate", "EIO,KILL,KILL_AFTER", "--all"),
          Sweep("new", "unlink", "EIO,KILL,KILL_AFTER", "--all"), Sweep("new", "mmap", "ENOMEM", "--all"),
          Sweep("new", "read", "EIO", "--all"),
          Sweep("old", "write", "EIO,ENOSPC,SHORT,KILL,KILL_MID", "--file", "data/log/journal"),
          Sweep("old", "write", "EIO,ENOSPC,EINTR,SHORT,EIO_AFTER,KILL,KILL_MID", "--file", "data/log/data.mdb"),
          Sweep("old", "sync", "EIO,EIO_AFTER,KILL", "--file", "data/log/data.mdb", "--all"),
          Sweep("old", "write", "EIO,ENOSPC,SHORT,KILL,KILL_MID", "--file", "data/vault/"),
          Sweep("old", "sync", "EIO,EIO_AFTER,KILL", "--file", "data/vault", "--all"),
          Sweep("old", "write", "EIO,ENOSPC,SHORT,KILL_MID", "--file", "data/head"),
        ]
      }
    }

    @Test(.timeLimit(.minutes(isThorough ? 240 : 4)))
    func `a system call that fails, or is the last one, loses nothing acknowledged and does nothing by halves`()
      async throws
    {
      let copy = try await Copy()
      let base = copy.folder.path + "/base"
      if Sweep.all.contains(where: { $0.script == "old" }) { _ = try await copy.run(["fault_sweep", "prepare", base]) }
      for sweep in Sweep.all {
        let told = try await copy.run(
          ["fault_sweep", "run", base, sweep.script] + sweep.arguments
            + ["--seconds", "7000", "--out", base + ".jsonl"])
        #expect(told.contains(", 0 with anomalies, 0 acknowledged events lost"), "\(sweep): \(told)")
        #expect(!told.contains("\n0 runs") && !told.contains(" 0 faults struck"), "\(sweep): \(told)")
        #expect(!told.contains("out of time"), "\(sweep): \(told)")
      }
      try await copy.folder.destroy()
    }
  }
}
