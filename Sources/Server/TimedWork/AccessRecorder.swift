import Access
import BasicTypes
import CanonicalJSON
import Domain
import Logging
import Refusals
import ServiceLifecycle
import Vault

/// Has recorded who read whose data and who was refused what, as ``AccessLedger`` has counted it: a second after the
/// first time at the latest, and the rest when the hour is over or the server stops. What can't be recorded now is kept
/// and tried again.
actor AccessRecorder {
  private let engine: CommandEngine
  private let vault: Vault
  private let ledger: AccessLedger
  private let logger: Logger
  /// What is to be recorded and isn't yet.
  private var waiting: [AccessDraft] = []
  private var noted: [NotedAccess] = []
  private var failures = 0
  private var isRecording = false
  /// How many exports of keys callers have under way, which are recorded as theirs.
  private var exportsUnderWay = 0
  /// The export of keys that was last looked at.
  private var seenExport: LastExport?

  init(engine: CommandEngine, vault: Vault, ledger: AccessLedger, logger: Logger) {
    self.engine = engine
    self.vault = vault
    self.ledger = ledger
    self.logger = logger
  }

  /// How many turns are left out after so many that failed.
  private static func pause(after failures: Int) -> Int { min(60, 1 << min(failures, 6)) }

  /// Runs until the task is cancelled.
  func run(every interval: Duration) async {
    var turn = 0
    var skipped = 0
    while !Task.isCancelled {
      do { try await Task.sleep(for: interval) } catch { return }
      if failures > 0, skipped < Self.pause(after: failures) {
        skipped += 1
        continue
      }
      skipped = 0
      await record()
      turn += 1
      if turn % 10 == 1, exportsUnderWay == 0 { await recordExportOfKeys() }
    }
  }

  /// Records what is due.
  /// - Parameter all: All that was counted, for a stop.
  func record(all: Bool = false) async {
    // A turn that is under way has what it took; the one at the stop is the last, and comes when that is over.
    guard !isRecording else { return }
    isRecording = true
    defer { isRecording = false }
    do {
      while true {
        if waiting.isEmpty {
          if noted.isEmpty { noted = ledger.take(all: all) }
          guard !noted.isEmpty else { break }
          waiting = try await engine.drafts(of: noted)
          noted = []
        }
        while !waiting.isEmpty {
          let count = try await engine.recordFirst(of: waiting[...])
          waiting.removeFirst(count)
        }
      }
      if failures > 0 { logger.notice("reads and refusals are recorded again") }
      failures = 0
    } catch {
      failures += 1
      if failures == 1 {
        logger.error(
          "reads and refusals can't be recorded now; they are kept and tried again",
          metadata: ["error": "\((error as? Refusal)?.code.rawValue ?? "\(type(of: error))")"])
      }
    }
  }

  /// Records an operation by a caller; where that can't be done now, with what is counted.
  func record(_ verb: String, _ data: JSONObject, by principal: Principal?, from origin: Origin, set: JSONObject = [:])
    async
  {
    waiting.append(AccessDraft(operation: verb, data, by: principal, from: origin, set: set))
    await record()
  }

  /// Lets a caller export keys, and records it as theirs, whatever else goes wrong.
  func exporting<Result: Sendable>(
    by principal: Principal?, from origin: Origin, _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    exportsUnderWay += 1
    do {
      let result = try await body()
      await recordExportOfKeys(by: principal, from: origin)
      exportsUnderWay -= 1
      return result
    } catch {
      await recordExportOfKeys(by: principal, from: origin)
      exportsUnderWay -= 1
      throw error
    }
  }

  /// Records that keys were exported, where the vault knows of an export that no event tells of: by a program that runs
  /// beside the server, or ran while none did.
  func recordExportOfKeys(by principal: Principal? = nil, from origin: Origin = Origin()) async {
    guard let export = vault.lastExport(), export != seenExport else { return }
    do {
      let at = JSON.string(export.at.text)
      if try await engine.installationField("keys_exported_at") != at {
        try await engine.recordOperation(
          "keys_exported",
          [
            "keys": .integer(Int64(export.keyCount)), "epoch": .integer(Int64(export.epoch)),
            "number": .integer(export.number),
          ],
          by: principal, from: origin, set: ["keys_exported_at": at])
      }
      seenExport = export
    } catch {
      logger.error(
        "an export of keys could not be recorded; it is tried again",
        metadata: ["error": "\((error as? Refusal)?.code.rawValue ?? "\(type(of: error))")"])
    }
  }
}

/// Runs the recorder until the server stops.
struct AccessRecording: Service {
  let services: Services

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await services.recorder.run(every: services.configuration.accessRecordInterval)
    }
  }
}
