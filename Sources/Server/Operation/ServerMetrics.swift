import CanonicalJSON
import Dispatch
import NIOConcurrencyHelpers
import Refusals
import Synchronization

/// What the server counts: read by `server.metrics`, written from any thread.
final class ServerMetrics: Sendable {
  /// The kinds of call that are told apart.
  enum Kind: Sendable {
    case command, query, server
  }

  private let commands = Latencies()
  private let queries = Latencies()
  private let others = Latencies()
  private let bytesRead = Atomic<UInt64>(0)
  private let bytesWritten = Atomic<UInt64>(0)
  private let connectionsOpen = Atomic<Int>(0)
  private let connectionsTotal = Atomic<UInt64>(0)
  private let connectionsRefused = Atomic<UInt64>(0)
  private let signInsRefused = Atomic<UInt64>(0)
  private let subscriptions = Atomic<Int>(0)
  private let refusals = NIOLockedValueBox<[String: UInt64]>([:])
  private let queriesByMethod = NIOLockedValueBox<[String: UInt64]>([:])

  func answered(_ kind: Kind, since start: UInt64, isRefused: Bool) {
    let duration = DispatchTime.now().uptimeNanoseconds &- start
    switch kind {
    case .command: commands.record(nanoseconds: duration, isRefused: isRefused)
    case .query: queries.record(nanoseconds: duration, isRefused: isRefused)
    case .server: others.record(nanoseconds: duration, isRefused: isRefused)
    }
  }

  /// Counts a refusal by its code.
  func refused(_ code: Refusal.Code) { refusals.withLockedValue { $0[code.rawValue, default: 0] += 1 } }
  /// Counts a query by its method, which must be a known one.
  func asked(_ method: String) { queriesByMethod.withLockedValue { $0[method, default: 0] += 1 } }
  func read(bytes: Int) { bytesRead.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
  func wrote(bytes: Int) { bytesWritten.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
  func signInRefused() { signInsRefused.wrappingAdd(1, ordering: .relaxed) }
  func subscriptionStarted() { subscriptions.wrappingAdd(1, ordering: .relaxed) }
  func subscriptionEnded() { subscriptions.wrappingSubtract(1, ordering: .relaxed) }
  func connectionRefused() { connectionsRefused.wrappingAdd(1, ordering: .relaxed) }
  func connectionClosed() { connectionsOpen.wrappingSubtract(1, ordering: .relaxed) }
  func connectionOpened() {
    connectionsOpen.wrappingAdd(1, ordering: .relaxed)
    connectionsTotal.wrappingAdd(1, ordering: .relaxed)
  }

  /// All of it. Durations are in seconds, sizes in bytes.
  var json: JSONObject {
    [
      "bytes_read": count(bytesRead.load(ordering: .relaxed)),
      "bytes_written": count(bytesWritten.load(ordering: .relaxed)),
      "commands": commands.json,
      "connections": [
        "open": .integer(Int64(connectionsOpen.load(ordering: .relaxed))),
        "refused": count(connectionsRefused.load(ordering: .relaxed)),
        "total": count(connectionsTotal.load(ordering: .relaxed)),
      ],
      "queries": queries.json,
      "queries_by_method": counts(queriesByMethod.withLockedValue { $0 }),
      "refusals_by_type": counts(refusals.withLockedValue { $0 }),
      "server_calls": others.json,
      "sign_ins_refused": count(signInsRefused.load(ordering: .relaxed)),
      "subscriptions": .integer(Int64(subscriptions.load(ordering: .relaxed))),
    ]
  }

  private func count(_ value: UInt64) -> JSON { .integer(Int64(clamping: value)) }

  private func counts(_ values: [String: UInt64]) -> JSON {
    .object(JSONObject(members: values.map { ($0.key, count($0.value)) }))
  }
}

/// How long calls of one kind took, in buckets whose bounds double from a microsecond on.
private final class Latencies: Sendable {
  private struct State {
    /// Bucket n counts durations below 2^n microseconds and not below half of that.
    var buckets = [UInt64](repeating: 0, count: 28)
    var count: UInt64 = 0
    var refused: UInt64 = 0
    var nanoseconds: UInt64 = 0
  }

  private let state = NIOLockedValueBox(State())

  func record(nanoseconds: UInt64, isRefused: Bool) {
    let microseconds = nanoseconds / 1000
    let bucket = min(27, UInt64.bitWidth - microseconds.leadingZeroBitCount)
    state.withLockedValue { state in
      state.buckets[bucket] += 1
      state.count += 1
      state.nanoseconds &+= nanoseconds
      if isRefused { state.refused += 1 }
    }
  }

  var json: JSON {
    let state = state.withLockedValue { $0 }
    var buckets: [JSON] = []
    var seen: UInt64 = 0
    for (index, bucket) in state.buckets.enumerated() where bucket > 0 {
      seen += bucket
      let bound = Double(UInt64(1) << UInt64(index)) / 1_000_000
      buckets.append(["count": .integer(Int64(clamping: seen)), "below_seconds": JSON(finite: bound) ?? .null])
    }
    return [
      "count": .integer(Int64(clamping: state.count)),
      "duration_seconds_sum": JSON(finite: Double(state.nanoseconds) / 1e9) ?? .null,
      "latency": .array(buckets),
      "refused": .integer(Int64(clamping: state.refused)),
    ]
  }
}
