import ArgumentParser
import CanonicalJSON
import EventLog
import Server
import Synchronization
import Vault

/// `daybook verify-log`: what `daybook verify` runs in a process of its own. It writes a line of JSON for every step,
/// and the report last.
struct VerifyLog: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read a log for daybook verify.", shouldDisplay: false)

  @Option(name: .long) var logFolder: String
  @Option(name: .long) var headFile: String?
  @Option(name: .long) var vaultFolder: String?
  @Option(name: .long) var rootKeyFile: String?
  @Option(name: .long) var backup: String?
  @Flag(name: .long) var recordsOnly = false

  func run() throws {
    var notes: [String] = []
    let verifier = HeadVerifier(vaultFolder: vaultFolder, rootKeyFile: rootKeyFile)
    if headFile != nil, let reason = verifier.unverifiable { notes.append(reason) }
    let throttle = Throttle()
    // The vault's is of the data folder's log, which goes on after its backup.
    let kept = backup == nil ? vaultFolder.map { DataFolder.vaultHead(KeptHead(vaultFolder: $0)) } : nil
    var report = try EventLogVerifier.verify(
      folder: logFolder, headFile: headFile, vaultHead: kept, verifyHead: verifier.verify, recordsOnly: recordsOnly
    ) { progress in
      throttle.pass(isLast: progress.done >= progress.total) {
        VerifyLog.write([
          "phase": .string(progress.phase), "done": .integer(Int64(clamping: progress.done)),
          "total": .integer(Int64(clamping: progress.total)),
        ])
      }
    }
    if let backup { try EventLogBackup.checkManifest(of: backup, noting: &report) }
    if report.isHealthy, let format = EventLogUpgrade.earlierFormat(of: logFolder) {
      notes.append("The log is of the earlier format \(format); the next start of a server brings it to today's.")
    }
    VerifyLog.write(["report": .object(Self.describe(report, notes))])
    if !report.isHealthy { throw ExitCode.damaged }
  }

  private static func describe(_ report: VerificationReport, _ notes: [String]) -> JSONObject {
    [
      "healthy": .bool(report.isHealthy), "whole_in_itself": .bool(report.isWholeInItself),
      "records_whole": .bool(report.areRecordsWhole), "reindex_suffices": .bool(report.isReindexingEnough),
      "damaged": .array(
        VerifiedPart.allCases.filter { report.damagedParts.contains($0) }.map { .string($0.rawValue) }),
      "events": .integer(Int64(clamping: report.events)),
      "states": .integer(Int64(clamping: report.states)),
      "index_entries": .integer(Int64(clamping: report.indexEntries)), "root": .string(report.root),
      "signed_position": report.signedPosition.map { .integer(Int64(clamping: $0)) } ?? .null,
      "dropped": .array(
        report.drops.map {
          ["by": .integer(Int64(clamping: $0.by)), "position": .integer(Int64(clamping: $0.position))]
        }),
      "dropped_count": .integer(Int64(clamping: report.dropCount)),
      "problem_count": .integer(Int64(report.problemCount)), "notes": .array(notes.map(JSON.string)),
      "problems": .array(
        report.problems.map { problem in
          [
            "description": .string(problem.description), "part": .string(problem.part.rawValue),
            "position": problem.position.map { .integer(Int64(clamping: $0)) } ?? .null,
          ]
        }),
    ]
  }

  private static func write(_ object: JSONObject) {
    Terminal.say(json: .object(object))
  }
}

/// Lets a few calls a second through.
final class Throttle: Sendable {
  private let start = ContinuousClock.now
  /// Tenths of a second since the start at which the last call went through.
  private let last = Atomic<Int64>(-1)

  func pass(isLast: Bool, _ body: () -> Void) {
    let tenths = (ContinuousClock.now - start) / Duration.milliseconds(100)
    let now = Int64(tenths)
    let before = last.load(ordering: .relaxed)
    guard isLast || now > before else { return }
    let isOurs = last.compareExchange(expected: before, desired: now, ordering: .relaxed).exchanged
    if isOurs || isLast { body() }
  }
}
