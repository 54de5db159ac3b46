import Access
import BasicTypes
import CanonicalJSON
import Dispatch
import EventLog
import Failpoints
import NIOConcurrencyHelpers
import Records
import Refusals
import Waiting

/// What redactions need besides the log.
final class RedactionKeeper: Sendable {
  /// How the read models are written anew of which types' events, and where a test lets a redaction fail.
  struct ReadModels: Sendable {
    let failpoints: Failpoints
    let redact: @Sendable ([String], _ patience: Duration) async throws -> JSONObject
  }

  /// Nil where there are no read models.
  let readModels = NIOLockedValueBox<ReadModels?>(nil)
  /// The redactions after which this process has written the log's file anew: where PostgreSQL is away, that isn't done
  /// again at each attempt.
  let renewed = NIOLockedValueBox<Set<Identifier>>([])
  /// One completion at a time: whoever comes meanwhile finds nothing left to do, or does the rest.
  let turn = FairSemaphore(permits: 1)
}

extension CommandEngine {
  /// Says how read models are written anew of the events of some types, once the log is without what was taken out;
  /// what it answers is recorded.
  package func redactReadModels(
    failpoints: Failpoints = .none,
    by redact: @escaping @Sendable (_ types: [String], _ patience: Duration) async throws -> JSONObject
  ) {
    redactions.readModels.withLockedValue { $0 = RedactionKeeper.ReadModels(failpoints: failpoints, redact: redact) }
  }

  /// Finishes every redaction that is recorded and not complete: to be called from time to time, since a crash may have
  /// come between, or PostgreSQL may be away.
  /// - Throws: ``Refusal``; the next call goes on.
  public func finishRedactions() async throws { try await completeRedactions(patience: ErasureKeeper.timedPatience) }

  /// What follows redactions that are recorded: the log's files are written anew, since LMDB and the journal keep what
  /// was replaced, then the read models of the types, then it is recorded. Many are completed at once.
  func completeRedactions(patience: Duration) async throws {
    try await redactions.turn.acquire()
    defer { redactions.turn.release() }
    let pending = try await log.background { try $0.pendingRedactions() }
    if pending.isEmpty { return }
    let readModels = redactions.readModels.withLockedValue { $0 }
    try readModels?.failpoints.reached(.redactionRecorded)
    let ids = Set(pending.map(\.id))
    if !redactions.renewed.withLockedValue({ ids.isSubset(of: $0) }) {
      try await renewLog(until: ContinuousClock.now + patience)
      redactions.renewed.withLockedValue { $0 = ids }
    }
    try readModels?.failpoints.reached(.redactionLogWritten)
    var facts: JSONObject = ["log": "written anew"]
    if let readModels {
      let types = Set(pending.compactMap { $0.fields["resource_type"]?.stringValue }).sorted()
      facts["read_models"] = .object(try await readModels.redact(types, patience))
    }
    try readModels?.failpoints.reached(.redactionReadModelsWritten)
    for record in pending {
      _ = try await apply(
        method: "redaction.complete", params: ["id": .string(record.id.text), "done": .object(facts)],
        principal: .server)
    }
  }

  /// Writes the log's files anew, once no other process reads them.
  private func renewLog(until deadline: ContinuousClock.Instant) async throws {
    while true {
      do {
        return try await withCheckedThrowingContinuation { continuation in
          retention.queue.async { continuation.resume(with: Result { try self.log.renewFile() }) }
        }
      } catch let error as EventLogError where error.code == .locked && ContinuousClock.now < deadline {
        try await Task.sleep(for: .milliseconds(500))
      }
    }
  }

  /// Completes redactions behind the command that recorded one, which is answered then.
  func completeRedactions(
    _ result: CommandResult, then completion: @escaping @Sendable (Result<CommandResult, Refusal>) -> Void
  ) {
    Task {
      do {
        try await completeRedactions(patience: ErasureKeeper.patience)
        completion(.success(result))
      } catch {
        completion(
          .failure(
            .unavailable(
              component: "redaction",
              "The redaction is recorded and no answer of the log shows the values, but files or read models may hold "
                + "them still: \(Refusal(causedBy: error).message) The server goes on by itself.")))
      }
    }
  }
}
