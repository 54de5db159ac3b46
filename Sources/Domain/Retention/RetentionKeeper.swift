import Access
import BasicTypes
import CanonicalJSON
import Dispatch
import EventLog
import NIOConcurrencyHelpers
import Records
import Refusals
import Vault

/// What sweeps share: the count of what is in the log, and the one queue on which keys are destroyed.
final class RetentionKeeper: Sendable {
  /// Counted so far; nil before the first sweep.
  let tally = NIOLockedValueBox<RetentionTally?>(nil)
  /// Up to which age every finished run of an organization is known to be gone.
  let runsCleared = NIOLockedValueBox<[Identifier: Timestamp]>([:])
  /// Destroying keys rewrites the key store, so it is no work for the writer.
  let queue = DispatchQueue(label: "daybook.retention.keys")
}

/// What a sweep by the timer leaves to a person: it was due long before the server looked, as after an import.
public struct WaitingRetention: Sendable {
  /// The class of data.
  public let retentionClass: String
  /// The id of the organization; nil for what belongs to none.
  public let organization: String?
  /// How many rows or runs.
  public let count: Int64
  /// The age of the oldest.
  public let oldest: String
}

extension CommandEngine {
  /// Sweeps every class of every organization as the server itself, again while there is more: for a timer.
  /// - Returns: What waits for somebody to order `retention.sweep`, since it was due long before the server looked.
  /// - Throws: ``Refusal``; what was recorded until then stays recorded, and the next sweep goes on.
  @discardableResult
  public func sweepRetention() async throws -> [WaitingRetention] {
    while true {
      let result = try await apply(method: "retention.sweep", params: [:], principal: .server)
      let answer = try JSON.parse(result.resultBytes)
      // What can't be removed now would not be removed the next time either.
      guard answer["more"] == true, answer["swept"] != [] else {
        return (answer["waiting"]?.arrayValue ?? []).map { entry in
          WaitingRetention(
            retentionClass: entry["class"]?.stringValue ?? "", organization: entry["organization_id"]?.stringValue,
            count: entry["count"]?.integerValue ?? 0, oldest: entry["oldest"]?.stringValue ?? "")
        }
      }
    }
  }

  /// Destroys the keys that recorded sweeps have given up and that are still there: what a crash left undone, or a
  /// restored older key store brought back. To be called at start.
  /// - Returns: how many keys were destroyed.
  /// - Throws: ``Refusal`` where the log or the vault can't be used.
  @discardableResult
  public func destroySweptKeys() throws -> Int {
    do {
      let keys = vault.expiringKeys()
      guard !keys.isEmpty else { return 0 }
      let due = try log.read { snapshot in
        try keys.filter { key in
          guard let known = RetentionClass(rawValue: key.retentionClass) else { return false }
          let sweep = RetentionPlan.identifier(known, key.organization)
          return try sweep.resolve({ try snapshot.state($0) }).state?.destroysKey(of: key.month) ?? false
        }
      }
      if due.isEmpty { return 0 }
      // What they seal is to be in one place alone, the log's pages.
      try log.wipeJournal()
      return try vault.destroy(due.map(\.owner))
    } catch {
      throw Refusal(causedBy: error)
    }
  }

  /// Destroys keys on a queue of its own, then goes on: a sweep is answered once they are gone.
  func destroySweptKeys(then completion: @escaping @Sendable (Refusal?) -> Void) {
    retention.queue.async {
      do {
        try self.destroySweptKeys()
        completion(nil)
      } catch {
        completion(
          .unavailable(
            component: "vault",
            "The sweep is recorded, but its keys are not destroyed yet: \(Refusal(causedBy: error).message) "
              + "The next sweep and the next start try again."))
      }
    }
  }
}
