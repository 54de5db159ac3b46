import BasicTypes
import Domain
import EventLog
import Logging
import NIOConcurrencyHelpers
import Projections
import Refusals
import Vault

/// What the server's own log says about timed work: each trouble once, until it is over.
///
/// Safe from any task.
final class TimedReports: Sendable {
  private static let rememberedLimit = 10_000

  private let logger: Logger
  private let told = NIOLockedValueBox<Set<String>>([])
  /// The jobs that wait for something to come back.
  private let waiting = NIOLockedValueBox<Set<String>>([])

  init(logger: Logger) {
    self.logger = logger
  }

  /// A job's command was refused for one resource.
  func failed(_ job: String, about id: Identifier, _ error: any Error) {
    tell("\(job) resource \(id.text) \(Self.safe(error))") {
      logger.error(
        "timed work failed for one resource; trying again",
        metadata: ["job": "\(job)", "id": "\(id.text)", "error": "\(Self.safe(error))"])
    }
  }

  /// A job's turn failed as a whole. That PostgreSQL is away is told once for all jobs.
  func failed(_ job: String, _ error: any Error) {
    if let error = error as? Refusal, error.code == .unavailable || error.code == .overloaded {
      let isFirst = waiting.withLockedValue { waiting in
        defer { waiting.insert(job) }
        return waiting.isEmpty
      }
      if isFirst { logger.notice("timed work waits", metadata: ["job": "\(job)", "error": "\(Self.safe(error))"]) }
      return
    }
    tell("\(job) \(Self.safe(error))") {
      logger.error("timed work failed; trying again", metadata: ["job": "\(job)", "error": "\(Self.safe(error))"])
    }
  }

  /// A sweep leaves something to a person: told once a class and organization.
  func waits(_ waiting: WaitingRetention) {
    let organization = waiting.organization ?? "none"
    tell("retention.sweep resource \(waiting.retentionClass) \(organization)") {
      logger.warning(
        "data that was due long before now, as after an import, waits for retention.sweep; its dry_run shows it",
        metadata: [
          "class": "\(waiting.retentionClass)", "organization_id": "\(organization)", "count": "\(waiting.count)",
          "oldest": "\(waiting.oldest)",
        ])
    }
  }

  /// A job's turn succeeded: whatever comes next is news again.
  func succeeded(_ job: String) {
    _ = waiting.withLockedValue { $0.remove(job) }
    told.withLockedValue { told in
      guard !told.isEmpty else { return }
      told = told.filter { !$0.hasPrefix(job + " ") || $0.hasPrefix(job + " resource ") }
    }
  }

  private func tell(_ text: String, _ write: () -> Void) {
    let isNew = told.withLockedValue { told in
      if told.count >= Self.rememberedLimit { told.removeAll() }
      return told.insert(text).inserted
    }
    if isNew { write() }
  }

  /// What may be logged of an error: its words where they are known to hold no values.
  private static func safe(_ error: any Error) -> String {
    switch error {
    case let error as Refusal: error.message
    case let error as ProjectionError: error.message
    case let error as EventLogError: error.message
    case let error as VaultError: error.message
    default: String(describing: type(of: error))
    }
  }
}
