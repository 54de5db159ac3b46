import ArgumentParser
import CanonicalJSON
import EventLog
import Subprocess

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook verify`: proves the log, or says where it is broken.
struct Verify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prove that the log is whole: every record, the tree, every state and index, the signed head.",
    discussion: """
      It reads the data folder itself, beside a running server or without one, in
      a process of its own, since damage to a database file can end a process. The
      exit code is 0 for a whole log and 2 for a damaged one. Where only states,
      indexes, counters or the stored tree are damaged, daybook reindex makes them
      anew from the records; for damaged records there are backups.

      EXAMPLES
        daybook verify --data ./daybook-data
        daybook verify --backup /backups/2026-11-21
      """)

  @OptionGroup var data: DataOptions

  @Option(name: .long, help: "Verify a backup's folder instead of a data folder.", completion: .directory)
  var backup: String?

  @Option(name: .long, help: "The file with the root key, which checks the head's signature.", completion: .file())
  var rootKeyFile: String?

  @Option(name: .long, help: "How many seconds without any progress count as damage.")
  var patience = 300

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let place = LogPlace(dataFolder: data.folder, backup: backup, rootKeyFile: rootKeyFile)
    try place.requireLog()
    let child = VerificationChild(place: place, patience: patience, isSilent: output.json)
    var outcome = try await child.run()
    if outcome.diedOf != nil {
      // Maybe what can't be read is only what was made of the records.
      outcome = outcome.completed(by: try await child.run(recordsOnly: true))
    }
    if output.json {
      Terminal.say(json: .object(outcome.json))
    } else {
      show(outcome, place)
    }
    if !outcome.isHealthy { throw ExitCode.damaged }
  }

  private func show(_ outcome: VerificationOutcome, _ place: LogPlace) {
    let report = JSON.object(outcome.json)
    for note in report["notes"]?.arrayValue ?? [] { Terminal.say("Note: \(note.cell)") }
    guard !outcome.isHealthy else {
      let signed = report["signed_position"]?.integerValue.map { ", signed up to position \($0)" } ?? ""
      Terminal.say(
        "The log is whole: \(report.cell("events")) events, \(report.cell("states")) states, \(report.cell("index_entries")) index entries\(signed)."
      )
      Terminal.say("Root: \(report.cell("root"))")
      for line in Self.drops(report) { Terminal.say(line) }
      return
    }
    let problems = report["problems"]?.arrayValue ?? []
    for problem in problems {
      let at = problem["position"]?.integerValue.map { "position \($0): " } ?? ""
      Terminal.say("\(at)\(Terminal.plain(problem.cell("description")))")
    }
    if report["whole_in_itself"] == true {
      Terminal.say(
        "The log in \(place.logFolder) is whole in itself, up to its last event (\(report.cell("events")) events).")
      Terminal.say(
        "Next: compare that position with the last one that was acknowledged to you. If it is right, daybook serve "
          + "--accept-missing-head starts the log and signs a new head.")
      return
    }
    let count = report["problem_count"]?.integerValue ?? Int64(problems.count)
    let problemsFound = "\(count) problem\(count == 1 ? "" : "s") found"
    guard report["reindex_suffices"] == true else {
      Terminal.say("The log in \(place.logFolder) is damaged: \(problemsFound).")
      if place.isBackup { return Terminal.say("Next: make another backup (daybook backup).") }
      Terminal.say(
        "Next: stop the server, keep a copy of the folder, and restore the last good backup (daybook restore).")
      return
    }
    let parts = (report["damaged"]?.arrayValue ?? []).compactMap { $0.stringValue }
    let damaged = parts.isEmpty ? "what is kept beside them" : parts.joined(separator: ", ")
    let signed = report["signed_position"]?.integerValue.map { ", signed up to position \($0)" } ?? ""
    Terminal.say("All records in \(place.logFolder) are whole (\(report.cell("events")) events\(signed)).")
    Terminal.say("Damaged is what follows from them: \(damaged); \(problemsFound).")
    Terminal.say(
      place.isBackup
        ? "Next: make another backup, after daybook verify of the data folder that this one was made of."
        : "Next: stop the server, then daybook reindex --data \(place.dataFolder), which makes that anew from the records."
    )
  }
}

extension Verify {
  /// The bodies that were dropped, by the event that did, for people.
  static func drops(_ report: JSON) -> [String] {
    guard let count = report["dropped_count"]?.integerValue, count > 0 else { return [] }
    var byEvent: [Int64: [Int64]] = [:]
    for drop in report["dropped"]?.arrayValue ?? [] {
      guard let event = drop["by"]?.integerValue, let position = drop["position"]?.integerValue else { continue }
      byEvent[event, default: []].append(position)
    }
    let listed = byEvent.sorted { $0.key < $1.key }.map { event, positions in
      let shown = positions.sorted().prefix(20).map(String.init).joined(separator: ", ")
      return "  by event \(event): \(shown)\(positions.count > 20 ? ", … (\(positions.count))" : "")"
    }
    return ["\(count) bodies were dropped, each as an event of the log says:"] + listed
  }
}

/// What a verification came to, whether its process lived to tell it or not.
struct VerificationOutcome: Sendable {
  let json: JSONObject
  /// How the process ended that gave no report.
  let diedOf: String?

  var isHealthy: Bool { json["healthy"]?.boolValue == true }

  init(_ json: JSONObject) {
    self.json = json
    diedOf = nil
  }

  /// A verification whose process ended without a report: that is damage.
  init(diedOf cause: String) {
    json = [
      "healthy": false, "problem_count": 1,
      "problems": [["description": .string(cause), "part": "file", "position": .null]],
    ]
    diedOf = cause
  }

  /// With what reading the records alone has shown, after reading everything ended the process.
  func completed(by records: VerificationOutcome) -> VerificationOutcome {
    guard records.diedOf == nil, let diedOf else { return self }
    var json = records.json
    let problems = records.json["problems"]?.arrayValue ?? []
    let death: JSON = ["description": .string(diedOf), "part": "file", "position": .null]
    json["problems"] = .array([death] + problems)
    json["problem_count"] = .integer((records.json["problem_count"]?.integerValue ?? 0) + 1)
    json["healthy"] = false
    json["whole_in_itself"] = false
    json["reindex_suffices"] = records.json["records_whole"] ?? false
    return VerificationOutcome(json)
  }
}

/// The process that reads the log, watched from here.
struct VerificationChild: Sendable {
  let place: LogPlace
  let patience: Int
  let isSilent: Bool

  func run(recordsOnly: Bool = false) async throws -> VerificationOutcome {
    let patience = Duration.seconds(max(1, patience))
    let isSilent = isSilent
    let result = try await Subprocess.run(
      .name(Program.name), arguments: .init(["verify-log"] + place.arguments + (recordsOnly ? ["--records-only"] : [])),
      environment: .inherit.updating(["PATH": Program.folder]), input: .none, output: .sequence,
      error: .currentStandardError
    ) { execution -> JSONObject? in
      let heartbeat = Heartbeat()
      return try await withThrowingTaskGroup(of: JSONObject?.self) { group in
        group.addTask {
          var bar = ProgressBar("verifying", isSilent: isSilent)
          defer { bar.end() }
          var report: JSONObject?
          for try await line in execution.standardOutput.strings() {
            await heartbeat.beat()
            // A line that is no JSON is a torn last one of a process that died.
            guard let json = (try? JSON.parse(line.trimmingNewline))?.objectValue else { continue }
            if let found = json["report"]?.objectValue { report = found }
            if let phase = json["phase"]?.stringValue, let done = json["done"]?.integerValue,
              let total = json["total"]?.integerValue
            {
              bar.show(UInt64(max(0, done)), of: UInt64(max(0, total)), phase)
            }
          }
          await heartbeat.stop()
          return report
        }
        group.addTask {
          while await heartbeat.isAlive(within: patience) { try await Task.sleep(for: .milliseconds(200)) }
          if await !heartbeat.isStopped { try execution.send(signal: .kill) }
          return nil
        }
        var report: JSONObject?
        for try await found in group { report = report ?? found }
        return report
      }
    }
    switch result.terminationStatus {
    case .exited(let code):
      if let report = result.closureResult { return VerificationOutcome(report) }
      guard code != Failure.Status.usage.rawValue, code != Failure.Status.unavailable.rawValue else {
        // The process has said what was wrong.
        throw ExitCode(code)
      }
      return VerificationOutcome(diedOf: "The verification ended without a report (exit code \(code)).")
    case .signaled(let signal):
      let cause =
        signal == SIGKILL
        ? "The verification made no progress and was stopped, or was killed from outside: the file leads it in circles."
        : "Reading the log ended the verifying process by signal \(signal) (\(String(cString: strsignal(signal)))): pages of the file are damaged."
      return VerificationOutcome(diedOf: cause)
    }
  }
}

/// When the verifying process was last heard of.
private actor Heartbeat {
  private var last = ContinuousClock.now
  private(set) var isStopped = false

  func beat() { last = .now }
  func stop() { isStopped = true }
  func isAlive(within patience: Duration) -> Bool { !isStopped && ContinuousClock.now - last < patience }
}

extension String {
  /// The text without a line break at its end.
  fileprivate var trimmingNewline: String {
    utf8.last == UInt8(ascii: "\n") ? String(dropLast()) : self
  }
}
