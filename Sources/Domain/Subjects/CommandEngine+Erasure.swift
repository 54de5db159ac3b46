import Access
import BasicTypes
import CanonicalJSON
import Dispatch
import EventLog
import Failpoints
import NIOConcurrencyHelpers
import Records
import Refusals
import Synchronization
import Vault

/// What erasures need besides the log and the vault.
final class ErasureKeeper: Sendable {
  /// How a person is taken out of the read models, and where a test lets an erasure fail.
  struct ReadModels: Sendable {
    let failpoints: Failpoints
    let erase: @Sendable (Identifier, _ patience: Duration) async throws -> JSONObject
  }

  /// How long a command waits for read models that are behind or being rebuilt, and how long timed work does, behind
  /// which other work waits.
  static let patience = Duration.seconds(600)
  static let timedPatience = Duration.seconds(2)

  /// Nil where there are no read models.
  let readModels = NIOLockedValueBox<ReadModels?>(nil)
  /// Lists what was handed out that holds records of a person; nil where there are no read models.
  let exports = NIOLockedValueBox<(@Sendable (Identifier) async throws -> [JSON])?>(nil)
  /// How read models are brought to what may be shown; nil where there are none.
  let restrictedReadModels = NIOLockedValueBox<(@Sendable ([Restriction], Duration) async throws -> Void)?>(nil)
  /// How many were completed and failed since the start, run now, and were left when it was last looked.
  fileprivate let completed = Atomic<UInt64>(0)
  fileprivate let failed = Atomic<UInt64>(0)
  fileprivate let running = Atomic<Int>(0)
  fileprivate let pending = Atomic<Int>(0)
  /// Held while the vault is told whose values may be shown, so that the log's last word stays.
  let recalling = NIOLockedValueBox<Void>(())
}

/// How erasures come along, for whoever watches the server.
public struct ErasureFigures: Sendable {
  /// Attempts since the start that completed an erasure.
  public let completed: UInt64
  /// Attempts since the start that failed; they are made again.
  public let failed: UInt64
  /// Attempts under way.
  public let running: Int
  /// Erasures that were confirmed and not complete when ``CommandEngine/finishErasures()`` was last called.
  public let pending: Int
}

extension CommandEngine {
  /// How erasures come along.
  public var erasureFigures: ErasureFigures {
    ErasureFigures(
      completed: erasures.completed.load(ordering: .relaxed), failed: erasures.failed.load(ordering: .relaxed),
      running: erasures.running.load(ordering: .relaxed), pending: erasures.pending.load(ordering: .relaxed))
  }

  /// Says how a person is taken out of the read models, once their key is gone; what it answers goes into the receipt.
  package func eraseReadModels(
    failpoints: Failpoints = .none,
    by erase: @escaping @Sendable (Identifier, _ patience: Duration) async throws -> JSONObject
  ) {
    erasures.readModels.withLockedValue { $0 = ErasureKeeper.ReadModels(failpoints: failpoints, erase: erase) }
  }

  /// Says how exports and the like that hold records of a person are found, for the receipts of erasures.
  package func listExports(by list: @escaping @Sendable (Identifier) async throws -> [JSON]) {
    erasures.exports.withLockedValue { $0 = list }
  }

  /// Destroys the keys of persons whose erasure is confirmed and that are still there: what a crash left undone, or an
  /// older key store brought back. To be called at start, before anything is opened.
  /// - Returns: how many keys were destroyed.
  /// - Throws: ``Refusal`` where the log or the vault can't be used.
  @discardableResult
  public func destroyErasedKeys() throws -> Int {
    do {
      let owners = try log.read { try $0.erasures().map { KeyOwner.subject($0.person) } }
        .filter { !vault.isErased($0) }
      if owners.isEmpty { return 0 }
      // What they seal is to be in one place alone, the log's pages.
      try log.wipeJournal()
      return try vault.destroy(owners)
    } catch {
      throw Refusal(causedBy: error)
    }
  }

  /// Finishes every erasure that is confirmed and not complete: to be called from time to time, since PostgreSQL may be
  /// away. One that can't be finished keeps none of the others from it.
  /// - Throws: ``Refusal``, the first one; the next call goes on.
  public func finishErasures() async throws {
    try destroyErasedKeys()
    var failure: (any Error)?
    do { try await eraseReturned() } catch { failure = error }
    let pending = try await log.background { try $0.erasures().filter { Subjects.isPending($0.record) }.map(\.person) }
    erasures.pending.store(pending.count, ordering: .relaxed)
    try await each(pending, after: failure) { try await completeErasure(of: $0, patience: ErasureKeeper.timedPatience) }
  }

  /// Does something about each of some persons; what fails for one is thrown after the others had their turn.
  private func each(
    _ persons: [Identifier], after earlier: (any Error)? = nil, _ body: (Identifier) async throws -> Void
  ) async throws {
    var failure = earlier
    for person in persons {
      do { try await body(person) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  /// Erases again whom an older log brought back, as far as the log can: to be called at start, before anybody asks.
  /// - Throws: ``Refusal`` where it can't be recorded.
  public func eraseReturned() async throws {
    let known = vault.erasedSubjects()
    if known.isEmpty { return }
    let returned = try await log.background { snapshot in
      try known.filter { try snapshot.living($0, type: "user") != nil }
    }
    try await each(returned) { person in
      _ = try await apply(
        method: "subject.erase",
        params: [
          "id": .string(person.text),
          "reason": "This person was erased before; a log from before that brought the account back.",
        ], principal: .server)
    }
  }

  /// What follows a confirmed erasure: the key goes, then the read models are written anew, then the receipt is
  /// recorded.
  func completeErasure(of person: Identifier, patience: Duration) async throws {
    erasures.running.wrappingAdd(1, ordering: .relaxed)
    defer { erasures.running.wrappingSubtract(1, ordering: .relaxed) }
    do {
      try await carryOutErasure(of: person, patience: patience)
      erasures.completed.wrappingAdd(1, ordering: .relaxed)
    } catch {
      erasures.failed.wrappingAdd(1, ordering: .relaxed)
      throw error
    }
  }

  private func carryOutErasure(of person: Identifier, patience: Duration) async throws {
    let readModels = erasures.readModels.withLockedValue { $0 }
    try readModels?.failpoints.reached(.erasureConfirmed)
    let destroyed = try await withCheckedThrowingContinuation { continuation in
      retention.queue.async { continuation.resume(with: Result { try self.destroyErasedKeys() }) }
    }
    vault.unrestrict(person)
    var facts: JSONObject = ["keys_destroyed": .integer(Int64(destroyed))]
    try readModels?.failpoints.reached(.erasureKeyDestroyed)
    // Values from before their fields became personal, which no key seals.
    try await completeRedactions(patience: patience)
    if let readModels { facts["read_models"] = .object(try await readModels.erase(person, patience)) }
    if try await !hasListedExports(person), let exports = try await exports(holding: person) {
      facts["exports"] = .array(exports)
    }
    try readModels?.failpoints.reached(.erasureReadModelsWritten)
    _ = try await apply(
      method: "subject.complete_erasure", params: ["id": .string(person.text), "facts": .object(facts)],
      principal: .server)
  }

  /// What was handed out that holds records of a person; nil where there are no read models, or they are away.
  func exports(holding person: Identifier) async throws -> [JSON]? {
    guard let list = erasures.exports.withLockedValue({ $0 }) else { return nil }
    do {
      return try await list(person)
    } catch let refusal as Refusal where refusal.code == .unavailable || refusal.code == .stale {
      return nil
    }
  }

  /// Whether the event that confirmed a person's erasure has the exports; it lacks them where PostgreSQL was away.
  private func hasListedExports(_ person: Identifier) async throws -> Bool {
    try await log.background { snapshot in
      guard let record = try snapshot.subjectRecord(of: person) else { return false }
      let events = try snapshot.history(of: record.id, versions: 1...Int64.max)
      return try events.last { try $0.parsedHeader().verb == "erasure_confirmed" }?.parsedBody().data["exports"] != nil
    }
  }

  /// Completes erasures and restrictions behind the command that decided them, which is answered then.
  func completeSubjects(
    of decided: Decided, then completion: @escaping @Sendable (Result<CommandResult, Refusal>) -> Void
  ) {
    Task {
      do {
        for person in decided.restricts { try await completeRestriction(of: person) }
      } catch {
        return completion(
          .failure(
            .unavailable(
              component: "restriction",
              "It is recorded and holds for every answer, but for SQL not yet: \(Refusal(causedBy: error).message) "
                + "The server goes on by itself.")))
      }
      do {
        for person in decided.erases { try await completeErasure(of: person, patience: ErasureKeeper.patience) }
        completion(.success(decided.result))
      } catch {
        completion(
          .failure(
            .unavailable(
              component: "erasure",
              "The erasure is confirmed and the person can't come back, but it is not complete yet: "
                + "\(Refusal(causedBy: error).message) The server goes on by itself; subject.receipt tells.")))
      }
    }
  }
}
